package tensor

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is what the kernel makes of 4 KiB pages on amd64 and arm64.
const hugePage = 2 << 20

// wantHugePages asks for huge pages under size bytes at p, and under the rest of
// the first and last huge page: Go's heap is mapped in pieces that are multiples of
// one, and the neighbours are mostly tensors too. It is advice: a kernel that takes
// none (transparent_hugepage/enabled is never) changes nothing.
func wantHugePages(p unsafe.Pointer, size uintptr) {
	before := uintptr(p) % hugePage
	whole := (before + size + hugePage - 1) / hugePage * hugePage
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, uintptr(p)-before, whole, unix.MADV_HUGEPAGE)
}
