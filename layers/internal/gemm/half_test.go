package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"stillhouse/layers/internal/parallel"
)

// Weights in bfloat16 give the bits of the same weights in float32.
func TestBF16WeightsHaveTheBitsOfWidenedOnes(t *testing.T) {
	if !fastest.parts {
		t.Skip("a processor with a matrix unit is needed (AMX)")
	}
	p := parallel.New(2)
	defer p.Close()
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range [][3]int{{1, 64, 64}, {7, 100, 90}, {33, 70, 800}, {64, 576, 576}, {300, 128, 1600}, {128, 1536, 576}, {17, 65, 2000}, {0, 64, 64}} {
		m, n, k := s[0], s[1], s[2]
		x := newProblem[float32](NT, m, n, k, 0, true)
		ldw := (k + 31) &^ 31
		w := make([]uint16, n*ldw)
		for i := range w {
			w[i] = 0x7fc0 // not a number, where no element is
		}
		for i := range n {
			for j := range k {
				w[i*ldw+j] = uint16(math.Float32bits(float32(r.NormFloat64())) >> 16)
				x.b[i*x.ldb+j] = math.Float32frombits(uint32(w[i*ldw+j]) << 16)
			}
		}
		for _, acc := range []bool{false, true} {
			x.acc = acc
			want := x.run(singles[len(singles)-1], p)
			for _, pool := range []*parallel.Pool{nil, p} {
				got := append([]float32(nil), x.c...)
				if !GemmBF16(pool, m, n, k, x.a, x.lda, w, ldw, got, x.ldc, acc) {
					t.Fatalf("%v: refused", x)
				}
				sameBits(t, x.String(), got, want)
			}
		}
	}
}

func TestShortProductsOfBF16AreRefused(t *testing.T) {
	c := []float32{7}
	if GemmBF16(nil, 1, 1, 1, []float32{1}, 1, []uint16{0x3f80}, 1, c, 1, false) || c[0] != 7 {
		t.Errorf("one element was multiplied, C is %v", c)
	}
}
