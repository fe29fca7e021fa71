package layers

import (
	"fmt"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
)

// Block is one layer of the residual stream x [B,T,D]:
//
//	x = x + Mixer(RMSNorm(x))
//	x = x + MLP(RMSNorm(x))
//
// where what is added is first multiplied by the model's ResidualScale, if it
// has one. A pure Mamba-2 model's blocks have no MLP; an identity block has
// nothing at all.
type Block struct {
	InputNorm *Param // [D]; nil in an identity block
	Mixer     Mixer
	PostNorm  *Param // [D]; nil without MLP
	MLP       *MLP
}

// Mixer is what moves information along time. Attention, Mamba2 and Mamba1 are
// mixers.
type Mixer interface {
	// Params returns the mixer's weights in the order of the forward pass.
	Params() []*Param
	// Init draws fresh weights; out is the deviation of the output projection.
	Init(out float64, r *rand.Rand)
	// Forward adds the mixer to the graph: u [N,D], normed, to [N,D]. A
	// residual, if not nil, is added inside the last product.
	Forward(f *Forward, u, residual *G.Node) *G.Node
	// output returns the weights of the output projection, its matrix first:
	// zero, they silence the mixer.
	output() []*Param
	// inner is Forward without the output projection: [N,E] or [N,H·P].
	inner(f *Forward, u *G.Node) *G.Node
	// replace puts f(p) in the place of every parameter.
	replace(f func(*Param) *Param) Mixer
}

func newBlock(k maker, c *Config, l int) *Block {
	if c.Mixers[l].Kind == KindIdentity {
		return &Block{Mixer: NoMixer{}}
	}
	b := &Block{
		InputNorm: k.param(LayerPrefix(l)+"input_layernorm.weight", c.HiddenSize),
		Mixer:     newMixer(k, c, l),
	}
	if c.Intermediate > 0 {
		b.PostNorm = k.param(LayerPrefix(l)+"post_attention_layernorm.weight", c.HiddenSize)
		b.MLP = newMLP(k, c, l)
	}
	return b
}

func newMixer(k maker, c *Config, l int) Mixer {
	switch m := c.Mixers[l]; m.Kind {
	case KindAttention:
		return newAttention(k, c, l)
	case KindMamba2:
		return newMamba2(k, c.HiddenSize, *m.Mamba2, l)
	case KindMamba1:
		return newMamba1(k, c.HiddenSize, *m.Mamba1, l)
	default:
		panic(fmt.Sprintf("layers: layer %d has mixer %q", l, m.Kind))
	}
}

// Params returns the block's weights in the order of the forward pass.
func (b *Block) Params() []*Param {
	ps := append(present(b.InputNorm), b.Mixer.Params()...)
	if b.MLP != nil {
		ps = append(append(ps, b.PostNorm), b.MLP.Params()...)
	}
	return ps
}

// identity reports whether the block passes its input on.
func (b *Block) identity() bool { return b.InputNorm == nil }

func (b *Block) replace(f func(*Param) *Param) {
	b.InputNorm, b.Mixer = optional(f, b.InputNorm), b.Mixer.replace(f)
	if b.MLP != nil {
		b.PostNorm, b.MLP = f(b.PostNorm), b.MLP.replace(f)
	}
}

// NoMixer adds nothing: a block that has it is its MLP alone, for measuring what
// mixers cost, or, in an identity block, nothing.
type NoMixer struct{}

// Params returns nothing.
func (NoMixer) Params() []*Param { return nil }

// Init does nothing.
func (NoMixer) Init(float64, *rand.Rand) {}

// Forward passes the residual on.
func (NoMixer) Forward(_ *Forward, _, residual *G.Node) *G.Node { return residual }

func (NoMixer) output() []*Param                    { return nil }
func (NoMixer) inner(_ *Forward, u *G.Node) *G.Node { return u }
func (NoMixer) replace(func(*Param) *Param) Mixer   { return NoMixer{} }
