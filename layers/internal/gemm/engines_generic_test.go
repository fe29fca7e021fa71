//go:build !amd64 || purego

package gemm

// engines returns one engine for every float32 path this processor can run.
func engines() []*engine[float32] {
	return []*engine[float32]{newEngine(portable[float32]())}
}
