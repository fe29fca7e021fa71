package layers

import (
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
)

// MLP is SwiGLU (Shazeer 2020, arXiv:2002.05202):
//
//	g,u = split(x·W_guᵀ + b_gu)           [N,I] each
//	out = (SiLU(g)⊙u)·W_downᵀ + b_down    [N,D]
type MLP struct {
	GateUp     *Param // [2I, D]; gate_proj, up_proj
	GateUpBias *Param // [2I]; nil: none
	Down       *Param // [D, I]
	DownBias   *Param // [D]; nil: none
}

func newMLP(k maker, c *Config, l int) *MLP {
	name := LayerPrefix(l) + "mlp."
	parts := func(what string) []Part {
		return []Part{{name + "gate_proj" + what, c.Intermediate}, {name + "up_proj" + what, c.Intermediate}}
	}
	m := &MLP{
		GateUp: k.stack(name+"gate_up_proj.weight", parts(".weight"), c.HiddenSize),
		Down:   k.param(name+"down_proj.weight", c.HiddenSize, c.Intermediate),
	}
	if c.MLPBias {
		m.GateUpBias, m.DownBias = k.stack(name+"gate_up_proj.bias", parts(".bias")), k.param(name+"down_proj.bias", c.HiddenSize)
	}
	return m
}

// Params returns the weights in the order of the forward pass.
func (m *MLP) Params() []*Param { return present(m.GateUp, m.GateUpBias, m.Down, m.DownBias) }

func (m *MLP) init(out float64, r *rand.Rand) {
	Normal(m.GateUp.Value, 0.02, r)
	Normal(m.Down.Value, out, r)
	for _, b := range present(m.GateUpBias, m.DownBias) {
		b.Value.Zero()
	}
}

func (m *MLP) forward(f *Forward, x, residual *G.Node) *G.Node {
	return f.affine(f.apply(f.swiglu(m.Down.Value.Dim(1)), f.affine(x, m.GateUp, m.GateUpBias, nil)), m.Down, m.DownBias, residual)
}

func (m *MLP) replace(f func(*Param) *Param) *MLP {
	return &MLP{GateUp: f(m.GateUp), GateUpBias: optional(f, m.GateUpBias), Down: f(m.Down), DownBias: optional(f, m.DownBias)}
}

// output returns what the last product reads: zero, they silence the MLP.
func (m *MLP) output() []*Param { return present(m.Down, m.DownBias) }
