package layers

import (
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
)

// Attention is causal grouped-query attention with rotary positions (Vaswani
// et al. 2017; Ainslie et al. 2023, arXiv:2305.13245; Su et al. 2021,
// arXiv:2104.09864), with P = head_dim and query head h reading group h·G/H:
//
//	q,k,v = split(u·W_qkvᵀ)                    [N,H·P], [N,G·P], [N,G·P]
//	y_h[t] = Σ_j softmax_j(scale · R_t q_h[t] · R_j k_g[j]) v_g[j]
//	out = y·W_oᵀ
//
// over j ≤ t in t's document and window. The middle is one kernel
// (internal/kernel/attention.go) that never holds a [T,T] matrix.
type Attention struct {
	QKV *Param // [(H+2G)·P, D]; q_proj, k_proj, v_proj
	O   *Param // [D, H·P]
}

func newAttention(k maker, c *Config, l int) *Attention {
	name := func(s string) string { return LayerPrefix(l) + "self_attn." + s + ".weight" }
	return &Attention{
		QKV: k.stack(name("qkv_proj"), c.HiddenSize,
			Part{name("q_proj"), c.Heads * c.HeadDim},
			Part{name("k_proj"), c.KVHeads * c.HeadDim},
			Part{name("v_proj"), c.KVHeads * c.HeadDim}),
		O: k.param(name("o_proj"), c.HiddenSize, c.Heads*c.HeadDim),
	}
}

// Params returns W_qkv and W_o.
func (a *Attention) Params() []*Param { return []*Param{a.QKV, a.O} }

// Init draws normal weights.
func (a *Attention) Init(out float64, r *rand.Rand) {
	Normal(a.QKV.Value, 0.02, r)
	Normal(a.O.Value, out, r)
}

// Forward adds qkv projection, attention and output projection.
func (a *Attention) Forward(f *Forward, u, residual *G.Node) *G.Node {
	return f.linear(a.inner(f, u), a.O, residual)
}

// inner adds everything before the output projection: [N,H·P].
func (a *Attention) inner(f *Forward, u *G.Node) *G.Node {
	return f.apply(f.attention(), f.linear(u, a.QKV, nil), f.start)
}

func (a *Attention) replace(f func(*Param) *Param) Mixer { return &Attention{QKV: f(a.QKV), O: f(a.O)} }
