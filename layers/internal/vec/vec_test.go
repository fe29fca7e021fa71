package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

var lengths = []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 1023}

// guard surrounds every slice: elements that nothing may write, and that would
// show in a sum that read them.
const (
	guard    = 17
	sentinel = 1e30
)

// guarded returns n elements inside a buffer with sentinels on both sides.
func guarded(n int) (buffer, x []float32) {
	buffer = make([]float32, guard+n+guard)
	for i := range buffer {
		buffer[i] = sentinel
	}
	return buffer, buffer[guard : guard+n]
}

// inputs returns the slices of f, equal in both precisions. Slices that AdamW
// takes a root of must not be negative, so the third of four is a square.
func inputs(f subject, n int, rng *rand.Rand) (buffers, single [][]float32, double [][]float64) {
	for k := range f.slices {
		b, x := guarded(n)
		y := make([]float64, n)
		for i := range x {
			x[i] = float32(3 * rng.NormFloat64())
			if f.name == "AdamW" && k == 2 {
				x[i] *= x[i]
			}
			y[i] = float64(x[i])
		}
		buffers, single, double = append(buffers, b), append(single, x), append(double, y)
	}
	return buffers, single, double
}

func narrow(c []float64) []float32 {
	out := make([]float32, len(c))
	for i, v := range c {
		out[i] = float32(v)
	}
	return out
}

func TestEveryFunctionEqualsItsFloat64Loop(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for _, f := range subjects() {
			for _, n := range lengths {
				buffers, single, double := inputs(f, n, rng)
				// Scalars as float32 holds them, for a fair comparison.
				c32 := narrow(f.scalars)
				c64 := make([]float64, len(c32))
				for i, v := range c32 {
					c64[i] = float64(v)
				}
				got, want := f.single(single, c32), f.double(double, c64)
				for i := range want {
					if !near(float64(got[i]), want[i], f.rel*math.Sqrt(float64(n+1))) {
						t.Errorf("%s of %d elements: got result %d = %v, want %v", f.name, n, i, got[i], want[i])
					}
				}
				compare(t, fmt.Sprintf("%s of %d elements", f.name, n), f, single, double)
				for k, b := range buffers {
					for i, v := range b {
						if (i < guard || i >= guard+n) && v != sentinel {
							t.Fatalf("%s of %d elements: slice %d: wrote element %d", f.name, n, k, i-guard)
						}
					}
				}
			}
		}
	})
}

func compare(t *testing.T, what string, f subject, single [][]float32, double [][]float64) {
	t.Helper()
	for k := range single {
		for i, v := range single[k] {
			if !near(float64(v), double[k][i], f.rel) {
				t.Errorf("%s: slice %d: got [%d] = %v, want %v", what, k, i, v, double[k][i])
				break
			}
		}
	}
}

// near reports whether got is within rel of want, relative to 1 + |want|: terms
// cancel, so what is near zero has the error of its terms.
func near(got, want, rel float64) bool {
	if math.IsNaN(want) || math.IsInf(want, 0) {
		return math.IsNaN(got) == math.IsNaN(want) && (math.IsNaN(want) || got == want)
	}
	return math.Abs(got-want) <= rel*(1+math.Abs(want))
}

// A reduction that depended on the alignment would make a result depend on where
// the allocator put it.
func TestResultsDoNotDependOnTheAlignment(t *testing.T) {
	eachISA(t, func(t *testing.T) {
		for _, f := range subjects() {
			var first [2]float32
			var outputs [][]float32
			for shift := range 16 {
				rng := rand.New(rand.NewPCG(3, 4))
				s := make([][]float32, f.slices)
				for k := range s {
					s[k] = make([]float32, 100+shift)[shift:]
					for i := range s[k] {
						s[k][i] = rng.Float32()
					}
				}
				got := f.single(s, narrow(f.scalars))
				if shift == 0 {
					first, outputs = got, s
				}
				for i := range got {
					if got[i] != first[i] {
						t.Errorf("%s at shift %d: got %v, want %v", f.name, shift, got[i], first[i])
					}
				}
				for k := range f.outs {
					for i := range s[k] {
						if s[k][i] != outputs[k][i] {
							t.Fatalf("%s at shift %d: got [%d] = %v, want %v", f.name, shift, i, s[k][i], outputs[k][i])
						}
					}
				}
			}
		}
	})
}

func TestOutputsMayBeTheInputsTheDocumentationNames(t *testing.T) {
	// For each function the slices that may be one, as (output, input).
	pairs := map[string][][2]int{
		"Exp": {{0, 1}}, "Sigmoid": {{0, 1}}, "Softplus": {{0, 1}}, "SiLU": {{0, 1}}, "ExpSum": {{0, 1}},
		"SiLUGrad": {{0, 1}}, "RMSApply": {{0, 1}}, "RMSGrad": {{0, 1}}, "Rotate": {{0, 2}, {1, 3}}, "RotateBack": {{0, 2}, {1, 3}},
		"ReverseKLRow": {{0, 1}}, "ReverseKLGrad": {{0, 1}}, "ForwardKLRow": {{0, 1}},
	}
	eachISA(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, f := range subjects() {
			_, apart, _ := inputs(f, 100, rng)
			shared := make([][]float32, len(apart))
			for k := range apart {
				shared[k] = append([]float32(nil), apart[k]...)
			}
			for _, p := range pairs[f.name] {
				shared[p[0]] = shared[p[1]]
			}
			want, got := f.single(apart, narrow(f.scalars)), f.single(shared, narrow(f.scalars))
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%s in place: got %v, want %v", f.name, got[i], want[i])
				}
			}
			for k := range f.outs {
				for i := range apart[k] {
					if shared[k][i] != apart[k][i] {
						t.Fatalf("%s in place: slice %d: got [%d] = %v, want %v", f.name, k, i, shared[k][i], apart[k][i])
					}
				}
			}
		}
	})
}
