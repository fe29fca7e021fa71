//go:build amd64 && !purego

package vec

import "golang.org/x/sys/cpu"

//go:generate sh -c "cd _asm && go run . -out ../vec_amd64.s -stubs ../stubs_amd64.go -pkg vec"

// isa is read by the assembly, which holds both paths of a function. Only tests
// change it.
var isa = bestISA()

// bestISA returns the widest path that processor and operating system support;
// package cpu asks XGETBV about the latter.
func bestISA() uint8 {
	x := cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512DQ && x.HasAVX512BW && x.HasAVX512VL && x.HasBMI2:
		return avx512
	case x.HasAVX2 && x.HasFMA:
		return avx2
	}
	return portable
}
