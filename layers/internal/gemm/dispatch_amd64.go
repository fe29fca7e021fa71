//go:build amd64 && !purego

package gemm

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd _asm && go run . -out ../tile_amd64.s -stubs ../tile_amd64.go -pkg gemm"

// paths returns the float32 paths that processor and operating system support,
// the fastest last; package cpu asks XGETBV about the latter.
func paths() []*isa[float32] {
	all := []*isa[float32]{portable[float32]()}
	x := cpu.X86
	if x.HasAVX2 && x.HasFMA {
		all = append(all, avx2())
	}
	if x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2 {
		all = append(all, avx512())
	}
	return all
}
