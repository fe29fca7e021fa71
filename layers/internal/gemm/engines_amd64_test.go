//go:build amd64 && !purego

package gemm

// engines returns one engine for every float32 path this processor can run.
func engines() []*engine[float32] {
	all := []*engine[float32]{newEngine(portable[float32]())}
	switch ISA() {
	case "avx512":
		all = append(all, newEngine(avx2()), newEngine(avx512()))
	case "avx2":
		all = append(all, newEngine(avx2()))
	}
	return all
}
