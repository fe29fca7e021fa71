package kernel

import (
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// gradients runs k forward and backward on a fixed output gradient.
func gradients(k node, dt tensor.DType, in []*tensor.Tensor) []*tensor.Tensor {
	out, gout := tensor.New(dt, k.OutShape()...), tensor.New(dt, k.OutShape()...)
	gout.CopyFrom(random[float32](9, 1, k.OutShape()...))
	gin := make([]*tensor.Tensor, len(in))
	for i, x := range in[:len(in)-1] {
		gin[i] = tensor.New(dt, x.Shape()...)
	}
	k.Forward(out, in)
	k.Backward(gin, gout, out, in)
	return gin[:len(in)-1]
}

// Δ is near exp(-14) with the smallest bias, where 1 - exp(-Δ) has no digits
// left in float32; with the last case a token's state is all but gone at the
// next, and gradients through decays are what remains of far larger terms.
func TestMambaGradientsKeepTheirDigitsAtSmallΔAndStrongDecay(t *testing.T) {
	for _, c := range []struct{ bias, aLog float64 }{{-4.5, 2}, {-10, 1}, {-14, 1}, {0, -4}, {3, 3}} {
		s := Mamba2Size{B: 1, T: 130, H: 4, P: 8, G: 2, N: 8, K: 4}
		in := mamba2Inputs[float64](s, true)
		fill := func(i int, v float64) {
			for j := range tensor.Data[float64](in[i]) {
				tensor.Data[float64](in[i])[j] = v
			}
		}
		compare := func(name string, want, got []*tensor.Tensor) {
			t.Helper()
			for i := range want {
				if e := relative(tensor.Data[float32](got[i]), tensor.Data[float64](want[i])); !(e < 1e-5) {
					t.Errorf("%s, bias %v, A_log %v: gradient of input %d is off by %.1e of its norm", name, c.bias, c.aLog, i, e)
				}
			}
		}
		fill(m2DtBias, c.bias)
		fill(m2ALog, c.aLog)
		o := Mamba2Options{NormGroups: 1, Eps: 1e-5, Train: true}
		single := narrow(in)
		for i := range in {
			in[i].CopyFrom(single[i]) // the very same numbers
		}
		want := gradients(NewMamba2[float64](nil, s, o), tensor.F64, in)
		got := gradients(NewMamba2[float32](nil, s, o), tensor.F32, single)
		for _, g := range [][]*tensor.Tensor{want, got} { // Δ's columns are a small part of zxbcdt's norm
			g[0] = lastColumns(g[0], s.row(), s.H)
		}
		compare("mamba2", want, got)

		s1 := Mamba1Size{B: 1, T: 70, E: 16, Xb: 8, N: 4, K: 4}
		in = mamba1Inputs[float64](s1, true)
		fill(m1DtBias, c.bias)
		fill(m1ALog, c.aLog)
		single = narrow(in)
		for i := range in {
			in[i].CopyFrom(single[i])
		}
		compare("mamba1", gradients(NewMamba1[float64](nil, s1, Mamba1Options{Train: true}), tensor.F64, in),
			gradients(NewMamba1[float32](nil, s1, Mamba1Options{Train: true}), tensor.F32, single))
	}
}

// lastColumns copies the last n of w columns.
func lastColumns(x *tensor.Tensor, w, n int) *tensor.Tensor {
	y := tensor.New(x.DType(), x.Size()/w, n)
	for i := range x.Size() / w {
		if x.DType() == tensor.F64 {
			copy(tensor.Data[float64](y)[i*n:(i+1)*n], tensor.Data[float64](x)[(i+1)*w-n:])
		} else {
			copy(tensor.Data[float32](y)[i*n:(i+1)*n], tensor.Data[float32](x)[(i+1)*w-n:])
		}
	}
	return y
}

// The published order can hold an aligned model: block k of N channels of query
// head h = g·r + c, r query heads to a key/value head, moves to block
// (g·head_dim/N + k)·r + c. x and B stay; z, C, dt, the convolution, A, skip and
// the columns of out_proj (here: of y) move.
func TestMamba1InThePublishedOrderEqualsAlignedHeadsAfterABlockPermutation(t *testing.T) {
	const headDim = 8
	s := Mamba1Size{B: 2, T: 11, E: 32, Xb: 16, N: 2, K: 4}
	r, parts := s.E/s.Xb, headDim/s.N
	to := func(e int) int {
		h, k := e/headDim, e%headDim/s.N
		return ((h/r*parts+k)*r+h%r)*s.N + e%s.N
	}
	in := mamba1Inputs[float64](s, true)
	moved := append([]*tensor.Tensor(nil), in...)
	// move permutes E blocks of width elements from column lo of rows of length row.
	move := func(dst, src []float64, row, lo, width int) {
		for at := lo; at < len(src); at += row {
			for e := range s.E {
				copy(dst[at+to(e)*width:][:width], src[at+e*width:])
			}
		}
	}
	for i, width := range map[int]int{m1Dt: 1, m1ConvW: s.K, m1ConvB: 1, m1DtBias: 1, m1ALog: s.N, m1Skip: 1} {
		moved[i] = tensor.New(tensor.F64, in[i].Shape()...)
		move(tensor.Data[float64](moved[i]), tensor.Data[float64](in[i]), s.E*width, 0, width)
	}
	moved[m1Proj] = tensor.New(tensor.F64, in[m1Proj].Shape()...)
	moved[m1Proj].CopyFrom(in[m1Proj])
	for _, lo := range []int{0, s.E + 2*s.Xb} { // z and C
		move(tensor.Data[float64](moved[m1Proj]), tensor.Data[float64](in[m1Proj]), s.row(), lo, 1)
	}
	aligned, published := tensor.New(tensor.F64, s.B, s.T, s.E), tensor.New(tensor.F64, s.B, s.T, s.E)
	NewMamba1[float64](nil, s, Mamba1Options{RepeatGroup: headDim}).Forward(aligned, in)
	NewMamba1[float64](nil, s, Mamba1Options{RepeatGroup: s.N}).Forward(published, moved)
	want := make([]float64, aligned.Size())
	move(want, tensor.Data[float64](aligned), s.E, 0, 1)
	near(t, "published order", tensor.Data[float64](published), want, 1e-13)
}

func TestMambaStatesAllocateNothingForAsManyTokensAsBefore(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	s, s1 := mamba2Cases[1].size, mamba1Cases[1].size
	in, in1 := mamba2Inputs[float32](s, false), mamba1Inputs[float32](s1, false)
	w := func(i int) []float32 { return tensor.Data[float32](in[i]) }
	v := func(i int) []float32 { return tensor.Data[float32](in1[i]) }
	p := parallel.New(2)
	defer p.Close()
	m2 := NewMamba2State[float32](p, s, Mamba2Options{NormGroups: 1, Eps: 1e-5})
	m1 := NewMamba1State[float32](p, s1, Mamba1Options{})
	out, out1 := make([]float32, s.B*s.T*s.inner()), make([]float32, s1.B*s1.T*s1.E)
	for _, n := range []int{s.T, 1, 5} {
		if a := testing.AllocsPerRun(5, func() {
			m2.Extend(out, w(0), n, w(1), w(2), w(3), w(4), w(5), w(6))
			m1.Extend(out1, v(0), v(1), n, v(2), v(3), v(4), v(5), v(6))
		}); a > 0 {
			t.Errorf("%d tokens: %v allocations, want 0", n, a)
		}
	}
}
