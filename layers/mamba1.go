package layers

import (
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
)

// Mamba1 is Apriel-H1's "m2" mixer (arXiv:2511.02651): the selective scan of
// Gu & Dao 2023 (arXiv:2312.00752) with x and B shared between heads as grouped
// attention shares V and K. For channel e, whose head is e/N:
//
//	z,x,B,C = split(u·W_inᵀ)           E, XB, XB, E wide
//	x,B = repeat(x), repeat(B)         to E, in blocks of RepeatGroup channels
//	x = SiLU(conv(x))                  causal, depthwise, K taps, on x only
//	Δ = softplus(u·W_dtinᵀ·W_dtᵀ + b)  one a channel
//	s_e[t] = exp(Δ_e[t]·A_e)⊙s_e[t-1] + Δ_e[t]·x_e[t]·B_head[t]    s_e [N]
//	y_e[t] = (s_e[t]·C_head[t] + skip_e·x_e[t])·SiLU(z_e[t])
//	out = y·W_outᵀ
//
// RepeatGroup = N is the published order, under which grouped heads reach the
// wrong columns of the output projection; head_dim keeps them aligned.
type Mamba1 struct {
	Config Mamba1Config
	In     *Param // [2E+2XB, D]
	ConvW  *Param // [E, 1, K]
	ConvB  *Param // [E]
	DtIn   *Param // [R, D]
	Dt     *Param // [E, R]
	DtBias *Param // [E]
	ALog   *Param // [E, N]
	Skip   *Param // [E], Hugging Face's D
	Out    *Param // [D, E]
}

func newMamba1(k maker, d int, c Mamba1Config, l int) *Mamba1 {
	name := func(s string) string { return LayerPrefix(l) + "mixer." + s }
	return &Mamba1{
		Config: c,
		In:     k.param(name("in_proj.weight"), 2*c.Inner+2*c.XB, d),
		ConvW:  k.param(name("conv1d.weight"), c.Inner, 1, c.Conv),
		ConvB:  k.param(name("conv1d.bias"), c.Inner),
		DtIn:   k.param(name("dt_in_proj.weight"), c.Rank, d),
		Dt:     k.param(name("dt_proj.weight"), c.Inner, c.Rank),
		DtBias: k.param(name("dt_proj.bias"), c.Inner),
		ALog:   k.param(name("A_log"), c.Inner, c.State),
		Skip:   k.param(name("D"), c.Inner),
		Out:    k.param(name("out_proj.weight"), d, c.Inner),
	}
}

// Params returns the weights in the order of the forward pass.
func (m *Mamba1) Params() []*Param {
	return []*Param{m.In, m.ConvW, m.ConvB, m.DtIn, m.Dt, m.DtBias, m.ALog, m.Skip, m.Out}
}

// Init draws fresh weights as mamba_ssm does: Δ log-uniform in [1e-3, 1e-1],
// A_n = n (S4D-real), skip one, convolution uniform ±1/sqrt(K).
func (m *Mamba1) Init(out float64, r *rand.Rand) {
	c := m.Config
	Normal(m.In.Value, 0.02, r)
	tap := 1 / math.Sqrt(float64(c.Conv))
	fill(m.ConvW.Value, func(int) float64 { return tap * (2*r.Float64() - 1) })
	m.ConvB.Value.Zero()
	Normal(m.DtIn.Value, 0.02, r)
	rank := 1 / math.Sqrt(float64(c.Rank))
	fill(m.Dt.Value, func(int) float64 { return rank * (2*r.Float64() - 1) })
	fill(m.DtBias.Value, func(int) float64 { return invSoftplus(logUniform(r, 1e-3, 1e-1)) })
	fill(m.ALog.Value, func(i int) float64 { return math.Log(float64(i%c.State + 1)) })
	fillOnes(m.Skip.Value)
	Normal(m.Out.Value, out, r)
}

// Forward adds the projections, the fused scan and out_proj.
func (m *Mamba1) Forward(f *Forward, u, residual *G.Node) *G.Node {
	return f.linear(m.inner(f, u), m.Out, residual)
}

// inner adds everything before out_proj: [N,E].
func (m *Mamba1) inner(f *Forward, u *G.Node) *G.Node {
	proj := f.linear(u, m.In, nil)
	dt := f.linear(f.linear(u, m.DtIn, nil), m.Dt, nil)
	return f.apply(f.mamba1(m.Config), proj, dt, f.param(m.ConvW), f.param(m.ConvB), f.param(m.DtBias),
		f.param(m.ALog), f.param(m.Skip), f.start)
}

func (m *Mamba1) output() []*Param { return []*Param{m.Out} }

func (m *Mamba1) replace(f func(*Param) *Param) Mixer {
	return &Mamba1{Config: m.Config, In: f(m.In), ConvW: f(m.ConvW), ConvB: f(m.ConvB), DtIn: f(m.DtIn), Dt: f(m.Dt),
		DtBias: f(m.DtBias), ALog: f(m.ALog), Skip: f(m.Skip), Out: f(m.Out)}
}
