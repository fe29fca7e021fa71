package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"stillhouse/layers/tensor"
)

// TestTheScanInChunksOfAnySizeIsTheRecurrence, the states before each chunk and
// after the last included, from zero and, without documents, from a given state.
func TestTheScanInChunksOfAnySizeIsTheRecurrence(t *testing.T) {
	const times, p, n, a, skip = 23, 3, 4, -0.7, 0.6
	data := func(seed uint64, shape ...int) []float64 {
		return tensor.Data[float64](random[float64](seed, 1, shape...))
	}
	x, b, c := data(1, times, p), data(2, times, n), data(3, times, n)
	delta := data(4, times)
	for i, v := range delta {
		delta[i] = math.Abs(v)
	}
	for _, starts := range [][]int32{nil, make([]int32, times), slices.Concat(make([]int32, 9), slices.Repeat([]int32{9}, 2), slices.Repeat([]int32{11}, 12))} {
		first := make([]float64, p*n)
		if starts == nil {
			first = data(5, p, n)
		}
		state := slices.Clone(first)
		want, before := make([]float64, times*p), make([][]float64, times)
		for u := range times {
			before[u] = slices.Clone(state)
			if starts != nil && int(starts[u]) == u {
				clear(state)
			}
			for i := range p {
				for j := range n {
					s := &state[i*n+j]
					*s = math.Exp(delta[u]*a)**s + delta[u]*x[u*p+i]*b[u*n+j]
					want[u*p+i] += *s * c[u*n+j]
				}
				want[u*p+i] += skip * x[u*p+i]
			}
		}
		for q := 1; q <= 25; q += 3 {
			s := &ssd[float64]{T: times, P: p, N: n, Q: q, ldx: n, ldy: p, ldd: 1} // x, B and C share a stride
			wide := make([]float64, times*n)
			for u := range times {
				copy(wide[u*n:], x[u*p:(u+1)*p])
			}
			h := &head[float64]{x: wide, b: b, c: c, delta: delta, y: make([]float64, times*p), a: a, skip: skip,
				starts: starts, state: slices.Clone(first), saved: make([]float64, s.chunks()*p*n)}
			s.forward(h, newSSDScratch[float64](nil, q, p, false))
			what := fmt.Sprintf("chunks of %d, starts %v", q, starts)
			near(t, what, h.y, want, 1e-12)
			near(t, what+": last state", h.state, state, 1e-12)
			for k := range s.chunks() {
				near(t, fmt.Sprintf("%s: state before chunk %d", what, k), h.saved[k*p*n:(k+1)*p*n], before[k*q], 1e-12)
			}
		}
	}
}
