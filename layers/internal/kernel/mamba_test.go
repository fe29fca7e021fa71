package kernel

import (
	"fmt"
	"math"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

var mamba2Cases = []struct {
	size   Mamba2Size
	chunk  int
	groups int // of the norm
}{
	{Mamba2Size{B: 1, T: 1, H: 1, P: 1, G: 1, N: 1, K: 4}, 8, 1},
	{Mamba2Size{B: 2, T: 13, H: 4, P: 3, G: 2, N: 5, K: 4}, 4, 1}, // T not a multiple of the chunk
	{Mamba2Size{B: 2, T: 16, H: 2, P: 4, G: 2, N: 4, K: 4}, 16, 2},
	{Mamba2Size{B: 1, T: 71, H: 3, P: 2, G: 1, N: 3, K: 2}, 8, 1}, // beyond a row block
	{Mamba2Size{B: 1, T: 70, H: 4, P: 2, G: 4, N: 2, K: 3}, 64, 4},
}

func mamba2Of[T tensor.Float](p *parallel.Pool, i int) *Mamba2[T] {
	c := mamba2Cases[i]
	return NewMamba2[T](p, c.size, Mamba2Options{Chunk: c.chunk, NormGroups: c.groups, Eps: 1e-5, Train: true})
}

func mamba2Inputs[T tensor.Float](s Mamba2Size, documents bool) []*tensor.Tensor {
	start := tensor.New(tensor.I32, s.B, s.T)
	if documents {
		start = randomStarts(8, s.B, s.T)
	}
	return []*tensor.Tensor{
		random[T](1, 1, s.B, s.T, s.row()), random[T](2, 0.5, s.conv(), 1, s.K), random[T](3, 0.5, s.conv()),
		random[T](4, 1, s.H), random[T](5, 1, s.H), random[T](6, 1, s.H), random[T](7, 1, s.inner()), start,
	}
}

// mamba2Loop is the recurrence as layers/mamba2.go states it, token by token.
func mamba2Loop(s Mamba2Size, normGroups int, eps float64, in []*tensor.Tensor) []float64 {
	at := func(i int) []float64 { return tensor.Data[float64](in[i]) }
	proj, cw, cb, dtb, alog, skip, nw := at(0), at(1), at(2), at(3), at(4), at(5), at(6)
	start := tensor.Data[int32](in[7])
	E, C, F := s.inner(), s.conv(), s.row()
	silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
	out := make([]float64, s.B*s.T*E)
	for b := range s.B {
		state := make([]float64, s.H*s.P*s.N)
		for t := range s.T {
			n := b*s.T + t
			if int(start[n]) == t {
				clear(state)
			}
			xbc := make([]float64, C)
			for c := range C {
				xbc[c] = cb[c]
				for k := range s.K {
					if u := t - (s.K - 1) + k; u >= int(start[n]) {
						xbc[c] += cw[c*s.K+k] * proj[(b*s.T+u)*F+E+c]
					}
				}
				xbc[c] = silu(xbc[c])
			}
			v := out[n*E : (n+1)*E]
			for h := range s.H {
				g := h / (s.H / s.G)
				delta := math.Log1p(math.Exp(proj[n*F+E+C+h] + dtb[h]))
				a := math.Exp(-delta * math.Exp(alog[h]))
				for p := range s.P {
					x := xbc[h*s.P+p]
					y := skip[h] * x
					for i := range s.N {
						st := &state[(h*s.P+p)*s.N+i]
						*st = a**st + delta*x*xbc[E+g*s.N+i]
						y += *st * xbc[E+(s.G+g)*s.N+i]
					}
					v[h*s.P+p] = y * silu(proj[n*F+h*s.P+p])
				}
			}
			w := E / normGroups
			for k := range normGroups {
				var sum float64
				for _, x := range v[k*w : (k+1)*w] {
					sum += x * x
				}
				r := 1 / math.Sqrt(sum/float64(w)+eps)
				for i := k * w; i < (k+1)*w; i++ {
					v[i] *= r * nw[i]
				}
			}
		}
	}
	return out
}

func TestMamba2MatchesTheRecurrence(t *testing.T) {
	for i, c := range mamba2Cases {
		for _, documents := range []bool{false, true} {
			in := mamba2Inputs[float64](c.size, documents)
			out := tensor.New(tensor.F64, c.size.B, c.size.T, c.size.inner())
			mamba2Of[float64](nil, i).Forward(out, in)
			want := mamba2Loop(c.size, c.groups, 1e-5, in)
			near(t, fmt.Sprint(c, documents), tensor.Data[float64](out), want, 1e-11)
			out32, want32 := tensor.New(tensor.F32, out.Shape()...), tensor.New(tensor.F32, out.Shape()...)
			want32.CopyFrom(out)
			mamba2Of[float32](nil, i).Forward(out32, narrow(in))
			near(t, fmt.Sprint(c, documents), tensor.Data[float32](out32), tensor.Data[float32](want32), 2e-5)
		}
	}
}

func TestMamba2GradientMatchesFiniteDifferences(t *testing.T) {
	accumulates := []bool{false, true, true, true, true, true, true, false}
	for i, c := range mamba2Cases {
		for _, documents := range []bool{false, true} {
			checkGrad(t, mamba2Of[float64](nil, i), mamba2Inputs[float64](c.size, documents), nil, accumulates)
		}
	}
}

func TestMamba2GivesTheSameBitsOnAnyNumberOfThreadsAndAllocatesNothing(t *testing.T) {
	for _, i := range []int{1, 4} {
		in := mamba2Inputs[float32](mamba2Cases[i].size, true)
		checkThreads(t, func(p *parallel.Pool) node { return mamba2Of[float32](p, i) }, in)
		checkAllocs(t, mamba2Of[float32](parallel.New(2), i), in)
	}
}

var mamba1Cases = []struct {
	size   Mamba1Size
	repeat int
}{
	{Mamba1Size{B: 1, T: 1, E: 2, Xb: 2, N: 1, K: 4}, 1},
	{Mamba1Size{B: 2, T: 19, E: 8, Xb: 4, N: 2, K: 4}, 2},
	{Mamba1Size{B: 2, T: 18, E: 8, Xb: 4, N: 2, K: 3}, 4}, // heads aligned
	{Mamba1Size{B: 1, T: 70, E: 6, Xb: 3, N: 3, K: 4}, 3},
}

func mamba1Of[T tensor.Float](p *parallel.Pool, i int) *Mamba1[T] {
	return NewMamba1[T](p, mamba1Cases[i].size, Mamba1Options{RepeatGroup: mamba1Cases[i].repeat, Train: true})
}

func mamba1Inputs[T tensor.Float](s Mamba1Size, documents bool) []*tensor.Tensor {
	start := tensor.New(tensor.I32, s.B, s.T)
	if documents {
		start = randomStarts(8, s.B, s.T)
	}
	return []*tensor.Tensor{
		random[T](1, 1, s.B, s.T, s.row()), random[T](2, 1, s.B, s.T, s.E), random[T](3, 0.5, s.E, 1, s.K), random[T](4, 0.5, s.E),
		random[T](5, 1, s.E), random[T](6, 0.5, s.E, s.N), random[T](7, 1, s.E), start,
	}
}

// mamba1Loop transcribes selective_scan_ref of mamba_ssm
// (ops/selective_scan_interface.py) behind repeat_kv and the convolution of
// Fast-LLM's Apriel hybrid (external/apriel_hybrid_ssm).
func mamba1Loop(s Mamba1Size, repeat int, in []*tensor.Tensor) []float64 {
	at := func(i int) []float64 { return tensor.Data[float64](in[i]) }
	proj, dt, cw, cb, dtb, alog, skip := at(0), at(1), at(2), at(3), at(4), at(5), at(6)
	start := tensor.Data[int32](in[7])
	F, times := s.row(), s.E/s.Xb
	silu := func(x float64) float64 { return x / (1 + math.Exp(-x)) }
	source := func(e int) int { return e/(repeat*times)*repeat + e%repeat }
	out := make([]float64, s.B*s.T*s.E)
	for b := range s.B {
		state := make([]float64, s.E*s.N)
		for t := range s.T {
			n := b*s.T + t
			if int(start[n]) == t {
				clear(state)
			}
			for e := range s.E {
				x := cb[e]
				for k := range s.K {
					if u := t - (s.K - 1) + k; u >= int(start[n]) {
						x += cw[e*s.K+k] * proj[(b*s.T+u)*F+s.E+source(e)]
					}
				}
				x = silu(x)
				delta := math.Log1p(math.Exp(dt[n*s.E+e] + dtb[e]))
				y := skip[e] * x
				for i := range s.N {
					c := e/s.N*s.N + i // entry i of the head's B and C
					st := &state[e*s.N+i]
					*st = math.Exp(-delta*math.Exp(alog[e*s.N+i]))**st + delta*x*proj[n*F+s.E+s.Xb+source(c)]
					y += *st * proj[n*F+s.E+2*s.Xb+c]
				}
				out[n*s.E+e] = y * silu(proj[n*F+e])
			}
		}
	}
	return out
}

func TestMamba1MatchesTheRecurrence(t *testing.T) {
	for i, c := range mamba1Cases {
		for _, documents := range []bool{false, true} {
			in := mamba1Inputs[float64](c.size, documents)
			out := tensor.New(tensor.F64, c.size.B, c.size.T, c.size.E)
			mamba1Of[float64](nil, i).Forward(out, in)
			near(t, fmt.Sprint(c, documents), tensor.Data[float64](out), mamba1Loop(c.size, c.repeat, in), 1e-12)
			out32, want32 := tensor.New(tensor.F32, out.Shape()...), tensor.New(tensor.F32, out.Shape()...)
			want32.CopyFrom(out)
			mamba1Of[float32](nil, i).Forward(out32, narrow(in))
			near(t, fmt.Sprint(c, documents), tensor.Data[float32](out32), tensor.Data[float32](want32), 1e-5)
		}
	}
}

func TestMamba1GradientMatchesFiniteDifferences(t *testing.T) {
	accumulates := []bool{false, false, true, true, true, true, true, false}
	for i, c := range mamba1Cases {
		for _, documents := range []bool{false, true} {
			checkGrad(t, mamba1Of[float64](nil, i), mamba1Inputs[float64](c.size, documents), nil, accumulates)
		}
	}
}

func TestMamba1GivesTheSameBitsOnAnyNumberOfThreadsAndAllocatesNothing(t *testing.T) {
	in := mamba1Inputs[float32](mamba1Cases[2].size, true)
	checkThreads(t, func(p *parallel.Pool) node { return mamba1Of[float32](p, 2) }, in)
	checkAllocs(t, mamba1Of[float32](parallel.New(2), 2), in)
}

// narrow returns the inputs in float32.
func narrow(in []*tensor.Tensor) (out []*tensor.Tensor) {
	for _, x := range in {
		if x.DType() == tensor.F64 {
			y := tensor.New(tensor.F32, x.Shape()...)
			y.CopyFrom(x)
			x = y
		}
		out = append(out, x)
	}
	return out
}

func BenchmarkMamba2(b *testing.B) {
	for _, s := range []Mamba2Size{{B: 8, T: 256, H: 8, P: 32, G: 8, N: 32, K: 4}, {B: 1, T: 512, H: 9, P: 64, G: 3, N: 64, K: 4}} {
		k := NewMamba2[float32](parallel.New(2), s, Mamba2Options{Chunk: 64, Eps: 1e-5, Train: true})
		in := mamba2Inputs[float32](s, false) // some heads forget within a few tokens: e^-87 a chunk, and less
		out, gout := tensor.New(tensor.F32, k.OutShape()...), random[float32](3, 1, k.OutShape()...)
		gin := make([]*tensor.Tensor, len(in))
		for i, x := range in[:7] {
			gin[i] = tensor.New(tensor.F32, x.Shape()...)
		}
		// The recurrence: s = a·s + (Δx)⊗B is three operations an element, y = s·C two.
		flops := 5 * float64(s.B*s.T*s.H*s.P*s.N)
		benchmarkPasses(b, fmt.Sprint(s), flops, k, out, in, gin, gout)
	}
}

func TestMambaStatesEqualTheFullForwardForAnySplit(t *testing.T) {
	for i, c := range mamba2Cases {
		s, in := c.size, mamba2Inputs[float64](c.size, false)
		out := tensor.New(tensor.F64, s.B, s.T, s.inner())
		mamba2Of[float64](nil, i).Forward(out, in)
		w := func(i int) []float64 { return tensor.Data[float64](in[i]) }
		for _, step := range []int{1, 3, 5, s.T} {
			state := NewMamba2State[float64](parallel.New(2), s, Mamba2Options{Chunk: c.chunk, NormGroups: c.groups, Eps: 1e-5})
			size := state.Bytes()
			for range 2 { // the second time shows that Reset forgets
				got := extendAll(s.B, s.T, step, w(0), s.inner(), func(out, x []float64, n int) {
					state.Extend(out, x, n, w(1), w(2), w(3), w(4), w(5), w(6))
				})
				near(t, fmt.Sprint(c, " in steps of ", step), got, tensor.Data[float64](out), 1e-11)
				state.Reset()
			}
			if state.Bytes() != size {
				t.Errorf("%v: the state grew from %d to %d bytes", c, size, state.Bytes())
			}
		}
	}
	for i, c := range mamba1Cases {
		s, in := c.size, mamba1Inputs[float64](c.size, false)
		out := tensor.New(tensor.F64, s.B, s.T, s.E)
		mamba1Of[float64](nil, i).Forward(out, in)
		w := func(i int) []float64 { return tensor.Data[float64](in[i]) }
		for _, step := range []int{1, 3, 5, s.T} {
			state := NewMamba1State[float64](parallel.New(2), s, Mamba1Options{RepeatGroup: c.repeat})
			// dt travels beside zxbc: put both in one row for extendAll.
			both := make([]float64, 0, s.B*s.T*(s.row()+s.E))
			for n := range s.B * s.T {
				both = append(append(both, w(0)[n*s.row():(n+1)*s.row()]...), w(1)[n*s.E:(n+1)*s.E]...)
			}
			got := extendAll(s.B, s.T, step, both, s.E, func(out, x []float64, n int) {
				var zxbc, dt []float64
				for i := 0; i < len(x); i += s.row() + s.E {
					zxbc, dt = append(zxbc, x[i:i+s.row()]...), append(dt, x[i+s.row():i+s.row()+s.E]...)
				}
				state.Extend(out, zxbc, dt, n, w(2), w(3), w(4), w(5), w(6))
			})
			near(t, fmt.Sprint(c, " in steps of ", step), got, tensor.Data[float64](out), 1e-11)
		}
	}
}
