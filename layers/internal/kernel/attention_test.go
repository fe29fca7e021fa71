package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

var attentionCases = []struct {
	size   AttentionSize
	window int
	rope   bool
}{
	{AttentionSize{B: 1, T: 1, H: 1, G: 1, P: 2}, 0, true},
	{AttentionSize{B: 2, T: 9, H: 4, G: 2, P: 6}, 0, true},
	{AttentionSize{B: 2, T: 13, H: 3, G: 1, P: 4}, 5, true},
	{AttentionSize{B: 1, T: 70, H: 2, G: 2, P: 8}, 0, true},    // beyond one tile
	{AttentionSize{B: 1, T: 131, H: 2, G: 1, P: 4}, 40, false}, // beyond two
}

func attentionOf[T tensor.Float](p *parallel.Pool, s AttentionSize, window int, rope bool) *Attention[T] {
	o := AttentionOptions{Window: window, Train: true}
	if rope {
		o.Rope = NewRope(10000, s.P, s.T)
	}
	return NewAttention[T](p, s, o)
}

// attentionLoop is attention as its definition says, in float64.
func attentionLoop(s AttentionSize, window int, rope bool, qkv []float64, start []int32) []float64 {
	w := (s.H + 2*s.G) * s.P
	out := make([]float64, s.B*s.T*s.H*s.P)
	head := func(b, t, h int) []float64 {
		x := append([]float64(nil), qkv[(b*s.T+t)*w+h*s.P:][:s.P]...)
		if rope && h < s.H+s.G {
			pos := float64(t - int(start[b*s.T+t]))
			for i := range s.P / 2 {
				a := pos * math.Pow(10000, -2*float64(i)/float64(s.P))
				u, v := x[i], x[i+s.P/2]
				x[i], x[i+s.P/2] = u*math.Cos(a)-v*math.Sin(a), v*math.Cos(a)+u*math.Sin(a)
			}
		}
		return x
	}
	for b := range s.B {
		for h := range s.H {
			g := h * s.G / s.H
			for i := range s.T {
				q, z := head(b, i, h), 0.0
				o := out[(b*s.T+i)*s.H*s.P+h*s.P:][:s.P]
				for j := int(start[b*s.T+i]); j <= i; j++ {
					if window > 0 && i-j >= window {
						continue
					}
					var dot float64
					for e, v := range head(b, j, s.H+g) {
						dot += q[e] * v
					}
					p := math.Exp(dot / math.Sqrt(float64(s.P)))
					z += p
					for e, v := range head(b, j, s.H+s.G+g) {
						o[e] += p * v
					}
				}
				for e := range o {
					o[e] /= z
				}
			}
		}
	}
	return out
}

func TestAttentionMatchesTheLoop(t *testing.T) {
	for _, c := range attentionCases {
		s := c.size
		qkv, start := random[float64](1, 1, s.B, s.T, (s.H+2*s.G)*s.P), randomStarts(2, s.B, s.T)
		want := attentionLoop(s, c.window, c.rope, tensor.Data[float64](qkv), tensor.Data[int32](start))
		out := tensor.New(tensor.F64, s.B, s.T, s.H*s.P)
		attentionOf[float64](nil, s, c.window, c.rope).Forward(out, []*tensor.Tensor{qkv, start})
		near(t, fmt.Sprint(c), tensor.Data[float64](out), want, 1e-12)

		narrow, out32, want32 := tensor.New(tensor.F32, qkv.Shape()...), tensor.New(tensor.F32, out.Shape()...), tensor.New(tensor.F32, out.Shape()...)
		narrow.CopyFrom(qkv)
		want32.CopyFrom(out)
		attentionOf[float32](nil, s, c.window, c.rope).Forward(out32, []*tensor.Tensor{narrow, start})
		near(t, fmt.Sprint(c), tensor.Data[float32](out32), tensor.Data[float32](want32), 5e-6)
	}
}

func TestAttentionGradientMatchesFiniteDifferences(t *testing.T) {
	for _, c := range attentionCases {
		s := c.size
		in := []*tensor.Tensor{random[float64](1, 1, s.B, s.T, (s.H+2*s.G)*s.P), randomStarts(2, s.B, s.T)}
		checkGrad(t, attentionOf[float64](nil, s, c.window, c.rope), in, nil, nil)
	}
}

func TestAttentionGivesTheSameBitsOnAnyNumberOfThreadsAndAllocatesNothing(t *testing.T) {
	s := AttentionSize{B: 2, T: 150, H: 4, G: 2, P: 16}
	in := []*tensor.Tensor{random[float32](1, 1, s.B, s.T, (s.H+2*s.G)*s.P), randomStarts(2, s.B, s.T)}
	checkThreads(t, func(p *parallel.Pool) node { return attentionOf[float32](p, s, 0, true) }, in)
	checkAllocs(t, attentionOf[float32](parallel.New(2), s, 0, true), in)
}

func TestAttentionCacheEqualsTheFullForwardForAnySplit(t *testing.T) {
	long := attentionCases[1]
	long.size.T = 2*keySpan + 20
	windowed := long
	windowed.window = keySpan + 10
	for _, c := range append(slices.Clone(attentionCases), long, windowed) {
		s := c.size
		qkv, start := random[float64](1, 1, s.B, s.T, (s.H+2*s.G)*s.P), tensor.New(tensor.I32, s.B, s.T)
		out := tensor.New(tensor.F64, s.B, s.T, s.H*s.P)
		attentionOf[float64](nil, s, c.window, c.rope).Forward(out, []*tensor.Tensor{qkv, start})
		for _, step := range []int{1, 4, 64, s.T} {
			o := AttentionOptions{Window: c.window}
			if c.rope {
				o.Rope = NewRope(10000, s.P, 1)
			}
			small := s
			small.T = 2 // it has to grow
			cache := NewAttentionCache[float64](parallel.New(2), small, o)
			got := extendAll(s.B, s.T, step, tensor.Data[float64](qkv), s.H*s.P, cache.Extend)
			near(t, fmt.Sprint(c, " in steps of ", step), got, tensor.Data[float64](out), 1e-11)
			if want := 2 * s.B * s.G * s.T * s.P * 8; cache.Bytes() != want {
				t.Errorf("%v: cache holds %d bytes, want %d", c, cache.Bytes(), want)
			}
		}
	}
}

// extendAll feeds x [B,T,·] to extend in steps and puts the results together as
// [B,T,width].
func extendAll[T tensor.Float](b, t, step int, x []T, width int, extend func(out, in []T, n int)) []T {
	in, out := len(x)/(b*t), make([]T, b*t*width)
	for at := 0; at < t; at += step {
		n := min(step, t-at)
		part, y := make([]T, b*n*in), make([]T, b*n*width)
		for i := range b {
			copy(part[i*n*in:(i+1)*n*in], x[(i*t+at)*in:])
		}
		extend(y, part, n)
		for i := range b {
			copy(out[(i*t+at)*width:(i*t+at+n)*width], y[i*n*width:(i+1)*n*width])
		}
	}
	return out
}

func BenchmarkAttention(b *testing.B) {
	for _, s := range []AttentionSize{{8, 256, 8, 4, 32}, {1, 512, 9, 3, 64}} {
		k := attentionOf[float32](parallel.New(2), s, 0, true)
		in := []*tensor.Tensor{random[float32](1, 1, s.B, s.T, (s.H+2*s.G)*s.P), tensor.New(tensor.I32, s.B, s.T)}
		out, gout := tensor.New(tensor.F32, s.B, s.T, s.H*s.P), random[float32](3, 1, s.B, s.T, s.H*s.P)
		gin := []*tensor.Tensor{tensor.New(tensor.F32, in[0].Shape()...), nil}
		flops := 2 * float64(s.B*s.H*s.T*s.T*s.P) // causal half of two products
		benchmarkPasses(b, fmt.Sprint(s), flops, k, out, in, gin, gout)
	}
}

// TestAttentionInFloat32IsThatInFloat64 at sizes that a matrix unit takes, where the
// last tile is short and documents begin anywhere.
func TestAttentionInFloat32IsThatInFloat64(t *testing.T) {
	for _, s := range []AttentionSize{{B: 2, T: 203, H: 4, G: 2, P: 64}, {B: 1, T: 150, H: 3, G: 3, P: 64}, {B: 1, T: 170, H: 8, G: 1, P: 96}} {
		wide := []*tensor.Tensor{random[float64](1, 1, s.B, s.T, (s.H+2*s.G)*s.P), randomStarts(2, s.B, s.T)}
		pool := parallel.New(2)
		k, k32 := attentionOf[float64](pool, s, 0, true), attentionOf[float32](pool, s, 0, true)
		out, gout, gin := tensor.New(tensor.F64, k.OutShape()...), random[float64](3, 1, k.OutShape()...), tensor.New(tensor.F64, wide[0].Shape()...)
		out32, gin32 := tensor.New(tensor.F32, k.OutShape()...), tensor.New(tensor.F32, wide[0].Shape()...)
		in := narrow(wide)
		for range 2 { // the second time over what the first left
			k.Forward(out, wide)
			k.Backward([]*tensor.Tensor{gin, nil}, gout, out, wide)
			k32.Forward(out32, in)
			k32.Backward([]*tensor.Tensor{gin32, nil}, narrow([]*tensor.Tensor{gout})[0], out32, in)
			near(t, fmt.Sprint(s, " forward"), tensor.Data[float32](out32), tensor.Data[float32](narrow([]*tensor.Tensor{out})[0]), 5e-6)
			near(t, fmt.Sprint(s, " backward"), tensor.Data[float32](gin32), tensor.Data[float32](narrow([]*tensor.Tensor{gin})[0]), 5e-6)
		}
		pool.Close()
	}
}
