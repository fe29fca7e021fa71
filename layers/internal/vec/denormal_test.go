package vec

import (
	"math"
	"testing"
)

// TestWeightsAreNormalNumbersOrNothing, and a NaN stays one.
func TestWeightsAreNormalNumbersOrNothing(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		const n = 1001
		weights := map[string]func(y, x []float32){
			"ExpSum": func(y, x []float32) { ExpSum(y, x, 1, 0) },
			"Decay": func(y, x []float32) {
				fill(y, 1)
				Decay(y, negated(x), make([]float32, n), ones(n), 0, 0)
			},
			"DecayRows": func(y, x []float32) { // its first column, so that rows decay
				for i := range y {
					one := []float32{1, 1, 1, 1}
					DecayRows(one, 2, []float32{0, x[i]}, make([]float32, 2), ones(2))
					y[i] = one[2]
				}
			},
			"DecayRowsGrad": func(y, x []float32) {
				for i := range y {
					one, slope := []float32{1, 1, 1, 1}, make([]float32, 4)
					DecayRowsGrad(one, slope, 2, make([]float32, 2), make([]float32, 2), []float32{0, x[i]}, make([]float32, 2), ones(2))
					y[i] = one[2]
				}
			},
			"ReverseKLRow": func(y, x []float32) { ReverseKLRow(y, x, x, 1, 0, 0) },
		}
		x, y := make([]float32, n), make([]float32, n)
		for i := range x {
			x[i] = -float32(i) / 8 // to -125
		}
		for name, f := range weights {
			f(y, x)
			for i, v := range y {
				if gone := x[i] < leastWeight; gone != (v == 0) || !gone && !(math.Abs(float64(v)/math.Exp(float64(x[i]))-1) <= 1e-6) {
					t.Fatalf("%s: exp(%v) is %v", name, x[i], v)
				}
			}
		}
		x[7] = float32(math.NaN())
		for name, f := range weights {
			if f(y, x); y[7] == y[7] {
				t.Errorf("%s: got %v of a NaN", name, y[7])
			}
		}
	})
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

func ones(n int) []float32 {
	x := make([]float32, n)
	fill(x, 1)
	return x
}

func negated(x []float32) []float32 {
	y := make([]float32, len(x))
	Scale(y, -1, x)
	return y
}

// TestMomentsThatNothingFeedsGoToZero instead of staying denormal for good.
func TestMomentsThatNothingFeedsGoToZero(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		const n = 37
		w, m, v, g := ones(n), make([]float32, n), make([]float32, n), make([]float32, n)
		fill(m, -2e-38)
		fill(v, 2e-38)
		for step := range 20 {
			AdamW(w, m, v, g, 1, 1e-3, 0, 0.9, 0.9, 1e-8, 1, 1)
			for i := range n {
				if (m[i] == 0) != (step >= 5) || (v[i] == 0) != (step >= 5) || w[i] != 1 {
					t.Fatalf("after %d steps m, v and w are %v, %v and %v", step+1, m[i], v[i], w[i])
				}
			}
		}
		m[3], v[5] = float32(math.NaN()), float32(math.Inf(1))
		if AdamW(w, m, v, g, 1, 1e-3, 0, 0.9, 0.9, 1e-8, 1, 1); m[3] == m[3] || !math.IsInf(float64(v[5]), 1) {
			t.Errorf("NaN and infinity became %v and %v", m[3], v[5])
		}
	})
}
