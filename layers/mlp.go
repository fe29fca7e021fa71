package layers

import (
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
)

// MLP is SwiGLU (Shazeer 2020, arXiv:2002.05202):
//
//	g,u = split(x·W_guᵀ)        [N,I] each
//	out = (SiLU(g)⊙u)·W_downᵀ   [N,D]
type MLP struct {
	GateUp *Param // [2I, D]; gate_proj, up_proj
	Down   *Param // [D, I]
}

func newMLP(k maker, c *Config, l int) *MLP {
	name := func(s string) string { return LayerPrefix(l) + "mlp." + s + ".weight" }
	return &MLP{
		GateUp: k.stack(name("gate_up_proj"), c.HiddenSize,
			Part{name("gate_proj"), c.Intermediate}, Part{name("up_proj"), c.Intermediate}),
		Down: k.param(name("down_proj"), c.HiddenSize, c.Intermediate),
	}
}

func (m *MLP) init(out float64, r *rand.Rand) {
	Normal(m.GateUp.Value, 0.02, r)
	Normal(m.Down.Value, out, r)
}

func (m *MLP) forward(f *Forward, x, residual *G.Node) *G.Node {
	return f.linear(f.apply(f.swiglu(m.Down.Value.Dim(1)), f.linear(x, m.GateUp, nil)), m.Down, residual)
}
