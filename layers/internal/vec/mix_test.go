package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestMixIsTheFloat64SumAndTouchesNothingElse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	eachISA(t, func(t *testing.T) {
		for _, rows := range []int{0, 1, 2, 3, 4, 5, 9} {
			for _, n := range []int{0, 1, 2, 7, 33} {
				for _, width := range []int{0, 1, 17, 63, 64, 65, 128, 200} {
					lda, ldx, ldy := n+3, width+5, width+2
					a, x, y := random(rows*lda), random(n*ldx+width), random(rows*ldy)
					before := append([]float32(nil), y...)
					Mix(y, ldy, a, lda, rows, x, ldx, n, width)
					for i, got := range y {
						row, j := i/ldy, i%ldy
						want, size := float64(before[i]), 0.0
						if j < width {
							want = 0
							for k := range n {
								v := float64(a[row*lda+k]) * float64(x[k*ldx+j])
								want += v
								size += math.Abs(v)
							}
						}
						if math.Abs(float64(got)-want) > 1e-6*size {
							t.Fatalf("[%d,%d]·[%d,%d]: got y[%d,%d] = %v, want %v", rows, n, n, width, row, j, got, want)
						}
					}
				}
			}
		}
	})
}

func TestMixThatDoesNotFitPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("x of one row less was accepted")
		}
	}()
	Mix(make([]float32, 64), 64, make([]float32, 3), 3, 1, make([]float32, 2*64), 64, 3, 64)
}
