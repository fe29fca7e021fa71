package kernel

import (
	"unsafe"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// room returns n zeros for what a kernel keeps beside its output. Of a pool on
// paper it enters their size and returns nil: constructors never look inside. All
// of a kernel's memory comes from here, so that a step can be measured by
// building it on paper.
func room[T tensor.Plain](p *parallel.Pool, n int) []T {
	if p.Enter(inHeap(n * int(unsafe.Sizeof(*new(T))))) {
		return nil
	}
	return tensor.Make[T](n)
}

// inHeap returns what Go's heap takes for so many bytes: large ones are whole
// pages of its own.
func inHeap(bytes int) int {
	const page, large = 8 << 10, 32 << 10
	if bytes <= large {
		return bytes
	}
	return (bytes + page - 1) / page * page
}
