//go:build amd64 && !purego

package gemm

import (
	"github.com/klauspost/cpuid/v2"
	"golang.org/x/sys/cpu"
)

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
		if x.HasAMXTile && x.HasAMXBF16 && allowsAMX() {
			all = append(all, amx())
		}
	}
	return all
}

// ways returns how many lines a set of the L1 holds, 8 where nothing is known. There
// are 64 sets of 64 bytes: an index of more bits than a page's would not be ready in
// time.
func ways() int { return max(8, cpuid.CPU.Cache.L1D>>12) }
