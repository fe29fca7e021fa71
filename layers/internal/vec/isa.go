package vec

import (
	"unsafe"

	"stillhouse/layers/tensor"
)

// The values of isa: which float32 path runs. The assembly compares with them.
const (
	portable = iota
	avx2
	avx512
)

// accelerated reports whether []T goes to the assembly. The size is a constant
// of the instance, so float64 pays nothing and float32 one load; a type switch
// on any([]T) would go through the instance's dictionary at each call.
func accelerated[T tensor.Float]() bool {
	return isa != portable && unsafe.Sizeof(T(0)) == 4
}

// at returns the address of x and panics unless x has n elements, so a caller's
// bug cannot become a write elsewhere. T must be float32.
func at[T tensor.Float](x []T, n int) *float32 {
	return (*float32)(unsafe.Pointer(unsafe.SliceData(x[:n:len(x)])))
}

// ISA names the instruction set that float32 runs on.
func ISA() string { return [...]string{"portable", "avx2", "avx512"}[isa] }
