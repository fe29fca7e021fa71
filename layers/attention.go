package layers

import (
	"math/rand/v2"
	"slices"

	G "gorgonia.org/gorgonia"
)

// Attention is causal grouped-query attention with rotary positions (Vaswani
// et al. 2017; Ainslie et al. 2023, arXiv:2305.13245; Su et al. 2021,
// arXiv:2104.09864), with P = head_dim and query head h reading group h·G/H:
//
//	q,k,v = split(u·W_qkvᵀ + b_qkv)            [N,H·P], [N,G·P], [N,G·P]
//	q_h,k_g = RMSNorm(q_h), RMSNorm(k_g)       with QKNorm only, before positions
//	y_h[t] = Σ_j softmax_j(scale · R_t q_h[t] · R_j k_g[j]) v_g[j]
//	out = y·W_oᵀ + b_o
//
// over j ≤ t in t's document and window. The third line is one kernel
// (internal/kernel/attention.go) that never holds a [T,T] matrix; rope.go has R.
type Attention struct {
	Window int // 0: all of the past

	QKV     *Param // [(H+2G)·P, D]; q_proj, k_proj, v_proj
	QKVBias *Param // [(H+2G)·P]; nil: none
	QNorm   *Param // [P]; nil: no norm
	KNorm   *Param // [P]; nil like QNorm
	O       *Param // [D, H·P]
	OBias   *Param // [D]; nil: none
}

func newAttention(k maker, c *Config, l int) *Attention {
	parts := func(what string) []Part {
		name := func(s string) string { return LayerPrefix(l) + "self_attn." + s + what }
		return []Part{{name("q_proj"), c.Heads * c.HeadDim}, {name("k_proj"), c.KVHeads * c.HeadDim}, {name("v_proj"), c.KVHeads * c.HeadDim}}
	}
	name := LayerPrefix(l) + "self_attn."
	a := &Attention{
		Window: c.window(l),
		QKV:    k.stack(name+"qkv_proj.weight", parts(".weight"), c.HiddenSize),
		O:      k.param(name+"o_proj.weight", c.HiddenSize, c.Heads*c.HeadDim),
	}
	if c.QKVBias {
		a.QKVBias = k.stack(name+"qkv_proj.bias", parts(".bias"))
	}
	if c.QKNorm {
		a.QNorm, a.KNorm = k.param(name+"q_norm.weight", c.HeadDim), k.param(name+"k_norm.weight", c.HeadDim)
	}
	if c.OutBias {
		a.OBias = k.param(name+"o_proj.bias", c.HiddenSize)
	}
	return a
}

// Params returns the weights in the order of the forward pass.
func (a *Attention) Params() []*Param {
	return present(a.QKV, a.QKVBias, a.QNorm, a.KNorm, a.O, a.OBias)
}

// Init draws normal weights; norms are one, biases zero.
func (a *Attention) Init(out float64, r *rand.Rand) {
	Normal(a.QKV.Value, 0.02, r)
	Normal(a.O.Value, out, r)
	for _, p := range present(a.QNorm, a.KNorm) {
		fillOnes(p.Value)
	}
	for _, p := range present(a.QKVBias, a.OBias) {
		p.Value.Zero()
	}
}

// Forward adds qkv projection, attention and output projection.
func (a *Attention) Forward(f *Forward, u, residual *G.Node) *G.Node {
	return f.affine(a.inner(f, u), a.O, a.OBias, residual)
}

// inner adds everything before the output projection: [N,H·P].
func (a *Attention) inner(f *Forward, u *G.Node) *G.Node {
	qkv := f.affine(u, a.QKV, a.QKVBias, nil)
	if a.QNorm != nil {
		qkv = f.apply(f.qkNorm(), qkv, f.param(a.QNorm), f.param(a.KNorm))
	}
	return f.apply(f.attention(a.Window), qkv, f.start)
}

func (a *Attention) output() []*Param { return present(a.O, a.OBias) }

func (a *Attention) replace(f func(*Param) *Param) Mixer {
	return &Attention{Window: a.Window, QKV: f(a.QKV), QKVBias: optional(f, a.QKVBias), QNorm: optional(f, a.QNorm),
		KNorm: optional(f, a.KNorm), O: f(a.O), OBias: optional(f, a.OBias)}
}

// present returns the parameters that are not nil.
func present(ps ...*Param) []*Param {
	return slices.DeleteFunc(ps, func(p *Param) bool { return p == nil })
}

// optional returns f(p), nil for a nil p.
func optional(f func(*Param) *Param, p *Param) *Param {
	if p == nil {
		return nil
	}
	return f(p)
}
