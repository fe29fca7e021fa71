//go:build !amd64 || purego

package gemm

// paths returns the only float32 path there is.
func paths() []*isa[float32] { return []*isa[float32]{portable[float32]()} }
