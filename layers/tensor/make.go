package tensor

import "unsafe"

// largeBytes is the size from which an array's pages are worth a system call.
const largeBytes = 1 << 20

// Plain is what Make makes: elements of tensors, bfloat16, flags. None holds a
// pointer.
type Plain interface {
	Element | ~uint16 | ~bool
}

// Make returns n zeros. Where the system has huge pages, a large array asks for
// them before it is touched: with pages of 4 KiB a matrix product that strides
// over rows, and every pass over weights, waits for address translation. Measured
// on Zen 4 under a hypervisor, where a miss walks two page tables: a training step
// of 135M took 5 % less.
func Make[T Plain](n int) []T {
	x := make([]T, n)
	if size := uintptr(n) * unsafe.Sizeof(*new(T)); size >= largeBytes {
		wantHugePages(unsafe.Pointer(&x[0]), size)
	}
	return x
}
