package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestDecayingTrianglesAreTheFloat64Ones on odd sizes, and nothing above the diagonal is
// touched.
func TestDecayingTrianglesAreTheFloat64Ones(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 33, 64, 65} {
			ld := n + r.IntN(3)
			cum, high, low, w := make([]float64, n), make([]float32, n), make([]float32, n), make([]float32, n)
			at := 0.0
			for i := range cum {
				at -= r.ExpFloat64()
				cum[i], high[i] = at, float32(at)
				low[i] = float32(at - float64(high[i]))
				w[i] = float32(r.Float64())
			}
			x, slope := make([]float32, n*ld), make([]float32, n*ld)
			for i := range x {
				x[i], slope[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
			}
			y, again, dy := append([]float32(nil), x...), append([]float32(nil), x...), append([]float32(nil), slope...)
			sum, before := make([]float32, n), make([]float32, n)
			DecayRows(y, ld, high, low, w)
			DecayRowsGrad(again, dy, ld, sum, before, high, low, w)
			want := make([]float64, n) // of sum
			for i := n - 1; i >= 0; i-- {
				for j := range ld {
					k := i*ld + j
					v, d := float64(x[k]), float64(slope[k])
					if j <= i {
						e := math.Exp(cum[i]-cum[j]) * float64(w[j])
						v, d = v*e, d*e
						want[j] += v * float64(slope[k])
					}
					if !(off(y[k], v) <= 1e-6 && off(again[k], v) <= 1e-6 && off(dy[k], d) <= 1e-6) {
						t.Fatalf("%d rows: [%d,%d] is %v, %v and %v, want %v and %v", n, i, j, y[k], again[k], dy[k], v, d)
					}
				}
				total := 0.0
				for _, v := range want[:i] {
					total += v
				}
				if !(off(before[i], total) <= 1e-5) {
					t.Fatalf("%d rows: before row %d there is %v, want %v", n, i, before[i], total)
				}
			}
			for j, v := range want {
				if !(off(sum[j], v) <= 1e-5) {
					t.Fatalf("%d rows: column %d sums to %v, want %v", n, j, sum[j], v)
				}
			}
		}
	})
}

func TestATriangleThatDoesNotFitPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("rows closer together than they are long were accepted")
		}
	}()
	DecayRows(make([]float32, 9), 2, ones(3), ones(3), ones(3))
}
