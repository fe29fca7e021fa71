package vec

import (
	"math"
	"testing"
)

// ulps returns the distance of got from want in units of want's last place, a
// subnormal counting as a multiple of the smallest one.
func ulps(got float32, want float64) float64 {
	r := float32(want)
	switch {
	case math.IsNaN(want) || math.IsInf(float64(r), 0) || math.IsInf(float64(got), 0):
		if got == r || math.IsNaN(want) && got != got {
			return 0
		}
		return math.Inf(1)
	case want == 0:
		return math.Abs(float64(got)) / 0x1p-149
	}
	_, e := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(e-24, -149))
}

func checkUlps(t *testing.T, name string, f func(y, x []float32), exact func(float64) float64, from, to, limit float64) {
	t.Helper()
	const n = 1 << 16
	x, y := make([]float32, n), make([]float32, n)
	for i := range x {
		x[i] = float32(from + (to-from)*float64(i)/(n-1))
	}
	f(y, x)
	worst, at := 0.0, float32(0)
	for i := range x {
		if u := ulps(y[i], exact(float64(x[i]))); u > worst {
			worst, at = u, x[i]
		}
	}
	t.Logf("%s on [%g,%g]: %.2f ulp at %v", name, from, to, worst, at)
	if worst > limit {
		t.Errorf("%s on [%g,%g]: got %.2f ulp at %v, want ≤ %v", name, from, to, worst, at, limit)
	}
}

// The limits are those doc.go states.
func TestTranscendentalFunctionsAreAccurateToTheLastPlaces(t *testing.T) {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	softplus := func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }
	eachISA(t, func(t *testing.T) {
		checkUlps(t, "Exp", Exp[float32], math.Exp, -87, 88, 2)
		checkUlps(t, "Exp", Exp[float32], math.Exp, -1, 1, 2)
		checkUlps(t, "Exp", Exp[float32], math.Exp, -105, -87, 2)
		checkUlps(t, "Sigmoid", Sigmoid[float32], sigmoid, -87, 30, 3)
		checkUlps(t, "Softplus", Softplus[float32], softplus, -87, 30, 3)
		checkUlps(t, "SiLU", SiLU[float32], func(x float64) float64 { return x * sigmoid(x) }, -87, 30, 3)
	})
}

func TestExpOfSpecialValues(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	x := []float32{float32(inf), float32(-inf), float32(nan), 88, -88, 89, -104, 1e38, -1e38, 3e38, -3e38,
		math.MaxFloat32, -math.MaxFloat32, 0, float32(math.Copysign(0, -1)), 0x1p-149, -0x1p-149, 0x1p-126, 88.72283, 88.72284, -103.97}
	eachISA(t, func(t *testing.T) {
		y := make([]float32, len(x))
		Exp(y, x)
		for i, v := range x {
			if u := ulps(y[i], math.Exp(float64(v))); u > 2 {
				t.Errorf("exp(%v): got %v, want %v", v, y[i], float32(math.Exp(float64(v))))
			}
		}
	})
}

// Beyond ±88.7 exp(-x) leaves float32, and an activation that is 1e-37 may
// become 0; otherwise they follow the float64 loop, to the NaN.
func TestActivationsOfSpecialValues(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	values := []float64{inf, -inf, nan, 88, -88, 90, -90, -104, 1e30, -1e30, 0, 0x1p-149, -0x1p-149, 20, 20.5, 21}
	type function struct {
		name   string
		single func(y, x []float32)
		double func(y, x []float64)
	}
	ones, ones64 := make([]float32, len(values)), make([]float64, len(values))
	for i := range ones {
		ones[i], ones64[i] = 1, 1
	}
	functions := []function{
		{"Sigmoid", Sigmoid[float32], Sigmoid[float64]},
		{"Softplus", Softplus[float32], Softplus[float64]},
		{"SiLU", SiLU[float32], SiLU[float64]},
		{"SiLUGrad", func(y, x []float32) { SiLUGrad(y, ones, x) }, func(y, x []float64) { SiLUGrad(y, ones64, x) }},
		{"SwiGLU", func(y, x []float32) { SwiGLU(y, x, ones) }, func(y, x []float64) { SwiGLU(y, x, ones64) }},
	}
	eachISA(t, func(t *testing.T) {
		for _, f := range functions {
			x, y := narrow(values), make([]float32, len(values))
			want := make([]float64, len(values))
			f.single(y, x)
			f.double(want, values)
			for i, v := range values {
				if !near(float64(y[i]), want[i], 1e-6) {
					t.Errorf("%s(%v): got %v, want %v", f.name, v, y[i], want[i])
				}
			}
		}
	})
}

func TestSoftplusAbove20IsItsArgument(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for x := float32(20); x < 1e30; x *= 1.37 {
			y := []float32{x}
			if Softplus(y, y); y[0] != x {
				t.Errorf("softplus(%v): got %v", x, y[0])
			}
		}
	})
}

func TestMaximumKeepsNaNAndInfinityWhereverTheyStand(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachISA(t, func(t *testing.T) {
		for _, n := range lengths[1:] {
			x := make([]float32, n)
			for i := range x {
				x[i] = -5
			}
			if got := Max(x); got != -5 {
				t.Errorf("Max of %d times -5: got %v", n, got)
			}
			for _, at := range []int{0, n / 2, n - 1} {
				x[at] = nan
				if got := Max(x); got == got {
					t.Errorf("Max of %d with NaN at %d: got %v", n, at, got)
				}
				if m, z := LogSumExp(x, 1); m == m || z == z {
					t.Errorf("LogSumExp of %d with NaN at %d: got %v, %v", n, at, m, z)
				}
				x[at] = inf
				if got := Max(x); got != inf {
					t.Errorf("Max of %d with +Inf at %d: got %v", n, at, got)
				}
				x[at] = -inf
				if m, z := LogSumExp(x, 2); n > 1 && (m != -10 || z != float32(n-1)) {
					t.Errorf("LogSumExp of %d with -Inf at %d: got %v, %v, want -10, %d", n, at, m, z, n-1)
				}
				x[at] = -5
			}
		}
		if got := Max[float32](nil); got != -inf {
			t.Errorf("Max of none: got %v, want -Inf", got)
		}
	})
}

// A masked score of -Inf has probability zero.
func TestExpSumOfMinusInfinityIsZero(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		x := []float32{0, float32(math.Inf(-1)), 0}
		if z := ExpSum(x, x, 0.5, 0); z != 2 || x[1] != 0 {
			t.Errorf("got %v, sum %v", x, z)
		}
	})
}

func TestNothingAllocates(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		s := make([][]float32, 10)
		for k := range s {
			s[k] = make([]float32, 33)
		}
		a, b, c := s[0], s[1], s[2]
		var sink float32
		if n := testing.AllocsPerRun(10, func() {
			sink += Dot(a, b) + Max(a) + ExpSum(a, b, 1, 0) + ReverseKLRow(a, b, c, 1, 0, 0)
			m, z := LogSumExp(a, 1)
			sink += m + z
			Exp(a, b)
			SwiGLUGrad(a, b, c, s[3], s[4])
			Conv4(a, b, c, s[3], s[4], s[5], s[6], s[7], s[8], s[9])
			AdamW(a, b, c, s[3], 1, 1, 1, 1, 1, 1, 1, 1)
			var local [16]float32 // stays on the stack
			Add(local[:], local[:], local[:])
			sink += local[3]
		}); n != 0 {
			t.Errorf("got %v allocations, want 0", n)
		}
	})
}

func TestTooShortASlicePanicsInsteadOfWritingElsewhere(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		defer func() {
			if recover() == nil {
				t.Error("AddTo of 8 elements from 7 did not panic")
			}
		}()
		AddTo(make([]float32, 8), make([]float32, 8)[:7])
	})
}

func FuzzExpEqualsMathExp(f *testing.F) {
	for _, x := range []float32{0, 1, -1, 88, -88, -104, 0x1p-149, float32(math.Inf(1)), float32(math.NaN())} {
		f.Add(math.Float32bits(x))
	}
	f.Fuzz(func(t *testing.T, bits uint32) {
		x := math.Float32frombits(bits)
		y := []float32{x}
		Exp(y, y)
		if u := ulps(y[0], math.Exp(float64(x))); u > 2 {
			t.Errorf("exp(%v): got %v, %.2f ulp off", x, y[0], u)
		}
	})
}
