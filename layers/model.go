package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"stillhouse/layers/tensor"
)

// Model is embedding · blocks · norm · head. Its weights live here, outside of
// any graph; Forward adds the model to one.
type Model struct {
	Config Config
	Embed  *Param // [V,D]
	Blocks []*Block
	Norm   *Param // [D]
	Head   *Param // [V,D]; Embed itself when tied
}

// New returns a model with zero weights of the floating type.
func New(c Config, dtype tensor.DType) (*Model, error) {
	return newModel(c, maker{tensor.New, dtype})
}

// Outline returns the model without memory behind its weights: a step of it can
// be built on paper ([OnPaper]), to see what it would take.
func Outline(c Config, dtype tensor.DType) (*Model, error) {
	return newModel(c, maker{tensor.Outline, dtype})
}

func newModel(c Config, k maker) (*Model, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	m := &Model{
		Config: c.Clone(),
		Embed:  k.param("model.embed_tokens.weight", c.VocabSize, c.HiddenSize),
		Norm:   k.param("model.norm.weight", c.HiddenSize),
	}
	m.Head = m.Embed
	if !c.Tied {
		m.Head = k.param("lm_head.weight", c.VocabSize, c.HiddenSize)
	}
	for l := range c.Mixers {
		m.Blocks = append(m.Blocks, newBlock(k, &m.Config, l))
	}
	return m, nil
}

// Init draws every weight: normal with deviation 0.02, projections into the
// residual stream with 0.02/sqrt(2L), norms one, Mamba as its papers do.
func (m *Model) Init(seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0x1417))
	Normal(m.Embed.Value, 0.02, r)
	for _, b := range m.Blocks {
		if b.identity() {
			continue
		}
		out := 0.02 / math.Sqrt(2*float64(len(m.Blocks)))
		fillOnes(b.InputNorm.Value)
		b.Mixer.Init(out, r)
		if b.MLP != nil {
			fillOnes(b.PostNorm.Value)
			b.MLP.init(out, r)
		}
	}
	fillOnes(m.Norm.Value)
	if m.Head != m.Embed {
		Normal(m.Head.Value, 0.02, r)
	}
}

func fillOnes(t *tensor.Tensor) { fill(t, func(int) float64 { return 1 }) }

// Params returns every weight once, in the order of the forward pass.
func (m *Model) Params() []*Param {
	ps := []*Param{m.Embed}
	for _, b := range m.Blocks {
		ps = append(ps, b.Params()...)
	}
	ps = append(ps, m.Norm)
	if m.Head != m.Embed {
		ps = append(ps, m.Head)
	}
	return ps
}

// Named returns every weight under its checkpoint name.
func (m *Model) Named() []Named {
	var n []Named
	for _, p := range m.Params() {
		n = append(n, p.Named()...)
	}
	return n
}

// Size returns the number of weights.
func (m *Model) Size() int {
	n := 0
	for _, p := range m.Params() {
		n += p.Value.Size()
	}
	return n
}

// Share returns a model of its own structure over the same weights: blocks can
// be changed in one without changing the other.
func (m *Model) Share() *Model {
	s := *m
	s.Config = m.Config.Clone()
	s.Blocks = make([]*Block, len(m.Blocks))
	for i, b := range m.Blocks {
		c := *b
		s.Blocks[i] = &c
	}
	return &s
}

// Own gives the model memory of its own for every parameter that own says yes
// to, leaving the rest shared. The new parameters start as copies.
func (m *Model) Own(own func(p *Param) bool) {
	fresh := map[*Param]*Param{}
	m.Replace(func(p *Param) *Param {
		if !own(p) {
			return p
		}
		if fresh[p] == nil {
			c := *p
			c.Value = p.Value.Clone()
			fresh[p] = &c
		}
		return fresh[p]
	})
}

// Replace puts f(p) in the place of every parameter.
func (m *Model) Replace(f func(p *Param) *Param) {
	m.Embed, m.Norm, m.Head = f(m.Embed), f(m.Norm), f(m.Head)
	for _, b := range m.Blocks {
		b.replace(f)
	}
}

// SetMixer puts a mixer of the given kind and sizes, with zero weights, in the
// place of layer l's; norms and MLP stay. It panics when the sizes cannot be.
func (m *Model) SetMixer(l int, mixed Mixed) Mixer {
	if l < 0 || l >= len(m.Blocks) {
		panic(fmt.Sprintf("layers: SetMixer: layer %d of %d", l, len(m.Blocks)))
	}
	if m.Blocks[l].identity() || mixed.Kind == KindIdentity {
		panic(fmt.Sprintf("layers: SetMixer: layer %d: an identity layer has no place for a mixer", l))
	}
	if err := m.Config.checkMixer(mixed); err != nil {
		panic(fmt.Sprintf("layers: SetMixer: layer %d: %v", l, err))
	}
	m.Config.Mixers[l] = mixed
	m.Blocks[l].Mixer = newMixer(maker{m.Embed.Value.Another, m.Embed.Value.DType()}, &m.Config, l)
	return m.Blocks[l].Mixer
}

// Without returns a model in which layer l's mixer, and its MLP when block is
// set, adds nothing to the residual stream: their last products are zero. All
// other weights are shared.
func (m *Model) Without(l int, block bool) *Model {
	s := m.Share()
	b := s.Blocks[l]
	silent := func(p *Param) *Param {
		c := *p
		c.Value = tensor.New(p.Value.DType(), p.Value.Shape()...)
		return &c
	}
	only := func(last []*Param) func(*Param) *Param {
		return func(p *Param) *Param {
			if slices.Contains(last, p) {
				return silent(p)
			}
			return p
		}
	}
	b.Mixer = b.Mixer.replace(only(b.Mixer.output()))
	if block && b.MLP != nil {
		b.MLP = b.MLP.replace(only(b.MLP.output()))
	}
	return s
}

// PutBack gives layer l the mixer it has in from, sharing its weights.
func (m *Model) PutBack(l int, from *Model) {
	c := from.Config.Clone()
	m.Config.Mixers[l] = c.Mixers[l]
	m.Blocks[l].Mixer = from.Blocks[l].Mixer
}

// ShareEqual makes every parameter that holds the same bits as the one of that
// name in o share its memory.
func (m *Model) ShareEqual(o *Model) {
	by := map[string]*Param{}
	for _, p := range o.Params() {
		by[p.Name] = p
	}
	m.Replace(func(p *Param) *Param {
		if q := by[p.Name]; q != nil && tensor.Equal(p.Value, q.Value) {
			return q
		}
		return p
	})
}
