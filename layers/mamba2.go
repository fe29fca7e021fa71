package layers

import (
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
)

// Mamba2 is the state-space-dual mixer of Dao & Gu 2024 (arXiv:2405.21060) as
// mamba_ssm and GraniteMoeHybrid compute it, for each head h of group g:
//
//	z,x,B,C,Δ = split(u·W_inᵀ)             E, E, G·N, G·N, H wide
//	x,B,C = SiLU(conv(x|B|C))              causal, depthwise, K taps
//	Δ = softplus(Δ + Δ_bias)               A = -exp(A_log)
//	s[t] = exp(Δ_h[t]·A_h)·s[t-1] + Δ_h[t]·x_h[t]⊗B_g[t]     s [P,N]
//	y_h[t] = s[t]·C_g[t] + skip_h·x_h[t]
//	out = (RMSNorm(y⊙SiLU(z))⊙w)·W_outᵀ    the gate comes before the norm
//
// The norm runs over all of E, as in transformers, or over each of the G groups
// (GroupedNorm), as in vLLM, llama.cpp and mamba_ssm: a checkpoint is right in
// one family only, unless G = 1. Everything between the two projections is one
// kernel (internal/kernel/mamba2.go), a chunked scan made of matrix products.
type Mamba2 struct {
	Config Mamba2Config
	In     *Param // [E+E+2GN+H, D]
	ConvW  *Param // [E+2GN, 1, K]
	ConvB  *Param // [E+2GN]
	DtBias *Param // [H]
	ALog   *Param // [H]
	Skip   *Param // [H], Hugging Face's D
	NormW  *Param // [E]
	Out    *Param // [D, E]
}

func newMamba2(k maker, d int, c Mamba2Config, l int) *Mamba2 {
	name := func(s string) string { return LayerPrefix(l) + "mamba." + s }
	return &Mamba2{
		Config: c,
		In:     k.param(name("in_proj.weight"), c.ProjDim(), d),
		ConvW:  k.param(name("conv1d.weight"), c.ConvDim(), 1, c.Conv),
		ConvB:  k.param(name("conv1d.bias"), c.ConvDim()),
		DtBias: k.param(name("dt_bias"), c.Heads),
		ALog:   k.param(name("A_log"), c.Heads),
		Skip:   k.param(name("D"), c.Heads),
		NormW:  k.param(name("norm.weight"), c.Inner()),
		Out:    k.param(name("out_proj.weight"), d, c.Inner()),
	}
}

// Params returns the weights in the order of the forward pass.
func (m *Mamba2) Params() []*Param {
	return []*Param{m.In, m.ConvW, m.ConvB, m.DtBias, m.ALog, m.Skip, m.NormW, m.Out}
}

// Init draws fresh weights as mamba_ssm does: Δ log-uniform in [1e-3, 1e-1],
// A uniform in [1,16], skip and norm one, convolution uniform ±1/sqrt(K).
func (m *Mamba2) Init(out float64, r *rand.Rand) {
	Normal(m.In.Value, 0.02, r)
	tap := 1 / math.Sqrt(float64(m.Config.Conv))
	fill(m.ConvW.Value, func(int) float64 { return tap * (2*r.Float64() - 1) })
	m.ConvB.Value.Zero()
	fill(m.DtBias.Value, func(int) float64 { return invSoftplus(logUniform(r, 1e-3, 1e-1)) })
	fill(m.ALog.Value, func(int) float64 { return math.Log(1 + 15*r.Float64()) })
	fillOnes(m.Skip.Value)
	fillOnes(m.NormW.Value)
	Normal(m.Out.Value, out, r)
}

func logUniform(r *rand.Rand, lo, hi float64) float64 {
	return math.Exp(math.Log(lo) + r.Float64()*(math.Log(hi)-math.Log(lo)))
}

// Forward adds in_proj, the fused scan and out_proj.
func (m *Mamba2) Forward(f *Forward, u, residual *G.Node) *G.Node {
	return f.linear(m.inner(f, u), m.Out, residual)
}

// inner adds everything before out_proj: [N,E].
func (m *Mamba2) inner(f *Forward, u *G.Node) *G.Node {
	proj := f.linear(u, m.In, nil)
	return f.apply(f.mamba2(m.Config), proj, f.param(m.ConvW), f.param(m.ConvB), f.param(m.DtBias),
		f.param(m.ALog), f.param(m.Skip), f.param(m.NormW), f.start)
}

func (m *Mamba2) output() []*Param { return []*Param{m.Out} }

func (m *Mamba2) replace(f func(*Param) *Param) Mixer {
	return &Mamba2{Config: m.Config, In: f(m.In), ConvW: f(m.ConvW), ConvB: f(m.ConvB), DtBias: f(m.DtBias),
		ALog: f(m.ALog), Skip: f(m.Skip), NormW: f(m.NormW), Out: f(m.Out)}
}
