package layers

import (
	"fmt"
	"math/rand/v2"

	"stillhouse/layers/tensor"
)

// Weight transfer from attention to Mamba, "Mamba in the Llama" (Wang et al.
// 2024, arXiv:2408.15237). Linear attention without the softmax is
//
//	y_h[t] = Σ_{j≤t} (q_h[t]·k_g[j]) v_g[j]
//
// which is a Mamba scan with x ← v, B ← k, C ← q and no decay, so the
// projections can be copied and out_proj ← o_proj. What attention has no
// counterpart for (z, Δ, A, skip, convolution, norm) starts fresh. The factor of
// q·k, 1/sqrt(P) or a model's own, only scales y without a softmax and is left
// out. Biases go into the convolution's (milbias.go); [TransferGaps] names what
// has no place at all.

// Mamba2For returns the sizes under which the transfer is exact: one Mamba head
// and one group for each query head, P = N = head_dim.
func Mamba2For(c *Config) Mamba2Config {
	return Mamba2Config{
		Heads: c.Heads, HeadDim: c.HeadDim, Groups: c.Heads, State: c.HeadDim,
		Conv: 4, Chunk: 64, NormEps: c.NormEps,
	}
}

// Mamba1For returns Apriel-H1's sizes for the model: state 16 (or the largest
// power of two below it that divides head_dim), Δ rank D/16, x and B as wide as
// K and V, repeated in whole heads.
func Mamba1For(c *Config) Mamba1Config {
	n := 16
	for c.HeadDim%n != 0 {
		n /= 2
	}
	return Mamba1Config{
		Inner: c.Heads * c.HeadDim, XB: c.KVHeads * c.HeadDim, State: n, Conv: 4,
		Rank: (c.HiddenSize + 15) / 16, RepeatGroup: c.HeadDim,
	}
}

// TransferMamba2 draws fresh weights for m and then copies the attention's
// projections. K and V rows are repeated for each query head of their group.
// With fewer groups than query heads, B and C get the mean over the heads that
// share them: the transfer is then not exact. It returns an error when P or N
// is not the attention's head_dim.
func TransferMamba2(m *Mamba2, a *Attention, c *Config, out float64, r *rand.Rand) error {
	s := m.Config
	if s.Heads != c.Heads || s.HeadDim != c.HeadDim || s.State != c.HeadDim {
		return fmt.Errorf("weight transfer wants %d heads of width and state %d, the mixer has %d of %d and %d (hint: leave heads, head_dim and state out, or use init: random)",
			c.Heads, c.HeadDim, s.Heads, s.HeadDim, s.State)
	}
	m.Init(out, r)
	q, k, v := split(a.QKV.Value, c)
	e := s.Inner()
	placeXBC(m.In.Value.Rows(e, e+s.ConvDim()), q, k, v, s, c)
	m.transferBias(a, c)
	m.Out.Value.CopyFrom(a.O.Value)
	return nil
}

// placeXBC lays rows of v, k and q (weights, or biases) where a Mamba2 has those
// of x, B and C, each [·,rest].
func placeXBC(xbc, q, k, v *tensor.Tensor, s Mamba2Config, c *Config) {
	p, e, shared := c.HeadDim, s.Inner(), c.Heads/c.KVHeads
	x, b, cc := xbc.Rows(0, e), xbc.Rows(e, e+s.Groups*s.State), xbc.Rows(e+s.Groups*s.State, e+2*s.Groups*s.State)
	b.Zero()
	cc.Zero()
	heads := s.Heads / s.Groups // that share one B and C
	for h := range s.Heads {
		kv, g := h/shared, h/heads
		x.Rows(h*p, (h+1)*p).CopyFrom(v.Rows(kv*p, (kv+1)*p))
		addScaled(b.Rows(g*p, (g+1)*p), 1/float64(heads), k.Rows(kv*p, (kv+1)*p))
		addScaled(cc.Rows(g*p, (g+1)*p), 1/float64(heads), q.Rows(h*p, (h+1)*p))
	}
}

// TransferMamba1 draws fresh weights for m and then copies the attention's
// projections as they are: the kernel repeats x and B. With RepeatGroup =
// head_dim every channel reaches the output column that expects it; with N, the
// published order, only N/head_dim of them do under grouped queries.
func TransferMamba1(m *Mamba1, a *Attention, c *Config, out float64, r *rand.Rand) error {
	s := m.Config
	if s.Inner != c.Heads*c.HeadDim || s.XB != c.KVHeads*c.HeadDim {
		return fmt.Errorf("weight transfer wants d_inner %d and d_xb %d, the mixer has %d and %d (hint: leave them out, or use init: random)",
			c.Heads*c.HeadDim, c.KVHeads*c.HeadDim, s.Inner, s.XB)
	}
	m.Init(out, r)
	q, k, v := split(a.QKV.Value, c)
	e, xb := s.Inner, s.XB
	m.In.Value.Rows(e, e+xb).CopyFrom(v)
	m.In.Value.Rows(e+xb, e+2*xb).CopyFrom(k)
	m.In.Value.Rows(e+2*xb, 2*e+2*xb).CopyFrom(q)
	m.transferBias(a, c)
	m.Out.Value.CopyFrom(a.O.Value)
	return nil
}

// split returns the rows of a stack that are q's, k's and v's, sharing memory.
func split(stack *tensor.Tensor, c *Config) (q, k, v *tensor.Tensor) {
	hp, gp := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	return stack.Rows(0, hp), stack.Rows(hp, hp+gp), stack.Rows(hp+gp, hp+2*gp)
}

// addScaled adds s·src to dst.
func addScaled(dst *tensor.Tensor, s float64, src *tensor.Tensor) {
	if dst.DType() == tensor.F64 {
		d := tensor.Data[float64](dst)
		for i, v := range tensor.Data[float64](src) {
			d[i] += s * v
		}
		return
	}
	d := tensor.Data[float32](dst)
	for i, v := range tensor.Data[float32](src) {
		d[i] += float32(s) * v
	}
}
