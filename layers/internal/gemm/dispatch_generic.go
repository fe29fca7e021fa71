//go:build !amd64 || purego

package gemm

// bestISA returns the only float32 path there is.
func bestISA() *isa[float32] { return portable[float32]() }
