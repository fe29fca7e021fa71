//go:build amd64 && !purego

package gemm

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd _asm && go run . -out ../tile_amd64.s -stubs ../tile_amd64.go -pkg gemm"

// bestISA returns the widest float32 path that processor and operating system
// support; package cpu asks XGETBV about the latter.
func bestISA() *isa[float32] {
	x := cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2:
		return avx512()
	case x.HasAVX2 && x.HasFMA:
		return avx2()
	}
	return portable[float32]()
}
