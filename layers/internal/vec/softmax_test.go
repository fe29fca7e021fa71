package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSoftmaxAndItsGradientAreTheFloat64Ones on odd sizes, touch nothing else, and give
// what is not seen no part.
func TestSoftmaxAndItsGradientAreTheFloat64Ones(t *testing.T) {
	const scale = 0.3
	eachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, rows := range []int{0, 1, 3, 8} {
			for _, n := range []int{1, 2, 7, 8, 9, 16, 31, 33, 48, 100, 257} {
				ld := n + r.IntN(4)
				score, slope := make([]float64, rows*ld), make([]float64, rows*ld)
				x, dp := make([]float32, rows*ld), make([]float32, rows*ld)
				for i := range x {
					x[i], dp[i] = float32(20*r.NormFloat64()-1000*float64(i/ld%2)), float32(r.NormFloat64())
					if i%ld != 0 && r.IntN(4) == 0 {
						x[i] = float32(math.Inf(-1))
					}
					score[i], slope[i] = float64(x[i]), float64(dp[i])
				}
				weights, m, z, over := append([]float32(nil), x...), make([]float32, rows), make([]float32, rows), make([]float32, rows)
				Softmax(weights, ld, n, scale, m, z)
				for i := range z {
					over[i] = 1 / z[i]
				}
				SoftmaxGrad(x, dp, ld, n, scale, m, over)
				for i := range rows {
					top, sum, mean := math.Inf(-1), 0.0, 0.0
					for _, v := range score[i*ld:][:n] {
						top = max(top, scale*v)
					}
					p := func(j int) float64 { return math.Exp(scale*score[i*ld+j] - top) }
					for j := range n {
						sum += p(j)
						mean += p(j) * slope[i*ld+j]
					}
					mean /= sum
					if !(math.Abs(float64(m[i])-top) <= 1e-4 && math.Abs(float64(z[i])/sum-1) <= 1e-4) {
						t.Fatalf("%d rows of %d: m, z = %v, %v, want %v, %v", rows, n, m[i], z[i], top, sum)
					}
					for j := range ld {
						at := i*ld + j
						w, q, d := p(j), p(j)/sum, scale*p(j)/sum*(slope[at]-mean)
						if j >= n {
							w, q, d = score[at], score[at], slope[at]
						}
						if !(off(weights[at], w) <= 1e-4 && off(x[at], q) <= 1e-4 && math.Abs(float64(dp[at])-d) <= 1e-4) {
							t.Fatalf("%d rows of %d: [%d,%d] is %v, %v, %v, want %v, %v, %v", rows, n, i, j, weights[at], x[at], dp[at], w, q, d)
						}
						if j < n && math.IsInf(score[at], -1) && (weights[at] != 0 || dp[at] != 0) {
							t.Fatalf("what is not seen has a part: %v, %v", weights[at], dp[at])
						}
					}
				}
			}
		}
	})
}

// off is how far two numbers are apart; infinities of one sign are not.
func off(got float32, want float64) float64 {
	if float64(got) == want {
		return 0
	}
	return math.Abs(float64(got) - want)
}

func TestANaNAmongScoresReachesTheWholeRow(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for at := range 40 {
			x, m, z := make([]float32, 40), make([]float32, 1), make([]float32, 1)
			x[at] = float32(math.NaN())
			if Softmax(x, 40, 40, 1, m, z); z[0] == z[0] {
				t.Errorf("NaN at %d: the sum is %v", at, z[0])
			}
		}
	})
}

func TestRowsThatDoNotFitPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a sum for too many rows was accepted")
		}
	}()
	Softmax(make([]float32, 8), 4, 4, 1, make([]float32, 2), make([]float32, 3))
}
