//go:build amd64 && !purego

package vec

import (
	"math/rand/v2"
	"testing"
)

// What one element becomes does not depend on the width of the vectors; only
// sums add in another order.
func TestAVX2AndAVX512AgreeBitForBitOnEveryElement(t *testing.T) {
	best := isa
	if best != avx512 {
		t.Skip("needs a processor with AVX-512")
	}
	defer func() { isa = best }()
	for _, f := range subjects() {
		_, wide, _ := inputs(f, 1023, rand.New(rand.NewPCG(7, 8)))
		_, half, _ := inputs(f, 1023, rand.New(rand.NewPCG(7, 8)))
		isa = avx512
		f.single(wide, narrow(f.scalars))
		isa = avx2
		f.single(half, narrow(f.scalars))
		for k := range f.outs {
			for i := range wide[k] {
				if wide[k][i] != half[k][i] {
					t.Fatalf("%s: slice %d: got [%d] = %v by AVX2, %v by AVX-512", f.name, k, i, half[k][i], wide[k][i])
				}
			}
		}
	}
}
