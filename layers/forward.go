package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// Batch is the memory that a model's graph reads at every run.
type Batch struct {
	B, T   int
	IDs    *tensor.Tensor // I32 [N], N = B·T
	Start  *tensor.Tensor // I32 [B,T]: where the token's document starts in its row
	Labels *tensor.Tensor // I32 [N]: the next token, -1 for none
	Weight *tensor.Tensor // [N]: each token's share of the loss; 0 where masked
}

// NewBatch returns a batch of zeros with every document starting at position 0.
func NewBatch(b, t int, dtype tensor.DType) *Batch { return newBatch(tensor.New, b, t, dtype) }

// Batch returns a batch for the model: of its floating type and, when the model
// is an Outline, without memory like it.
func (m *Model) Batch(b, t int) *Batch {
	e := m.Embed.Value
	return newBatch(e.Another, b, t, e.DType())
}

func newBatch(make func(tensor.DType, ...int) *tensor.Tensor, b, t int, dtype tensor.DType) *Batch {
	return &Batch{
		B: b, T: t,
		IDs:    make(tensor.I32, b*t),
		Start:  make(tensor.I32, b, t),
		Labels: make(tensor.I32, b*t),
		Weight: make(dtype, b*t),
	}
}

// Bytes returns the bytes of the batch.
func (b *Batch) Bytes() int {
	return b.IDs.Bytes() + b.Start.Bytes() + b.Labels.Bytes() + b.Weight.Bytes()
}

// CopyFrom copies another batch of the same size.
func (b *Batch) CopyFrom(c *Batch) {
	b.IDs.CopyFrom(c.IDs)
	b.Start.CopyFrom(c.Start)
	b.Labels.CopyFrom(c.Labels)
	b.Weight.CopyFrom(c.Weight)
}

// TotalWeight returns the sum of the tokens' weights.
func (b *Batch) TotalWeight() float64 {
	if b.Weight.DType() == tensor.F64 {
		return total(tensor.Data[float64](b.Weight))
	}
	return total(tensor.Data[float32](b.Weight))
}

func total[T tensor.Float](x []T) (sum float64) {
	for _, v := range x {
		sum += float64(v)
	}
	return sum
}

// ScaleWeight multiplies every token's weight.
func (b *Batch) ScaleWeight(s float64) {
	if b.Weight.DType() == tensor.F64 {
		scale(tensor.Data[float64](b.Weight), s)
		return
	}
	scale(tensor.Data[float32](b.Weight), s)
}

func scale[T tensor.Float](x []T, s float64) {
	for i, v := range x {
		x[i] = T(s * float64(v))
	}
}

// Forward is a model being added to a graph: one batch, one set of parameters
// that want gradients.
type Forward struct {
	*autodiff.Graph
	Batch *Batch
	// Grad returns where a parameter's gradient accumulates; nil, or a nil
	// result, freezes it.
	Grad func(p *Param) *tensor.Tensor
	// Prefix sets the parameters' node names apart when two models meet in one graph.
	Prefix string
	// MixerGates and MLPGates, one node [B] a layer, multiply the outputs of
	// mixers and MLPs before they join the residual stream; nil means none.
	MixerGates, MLPGates []*G.Node
	// Measure says that no backward pass will follow, whatever gates there are.
	Measure bool
	// Tap keeps every mixer's input and output and every block's output, TapBlocks
	// the latter alone, which changes no operation.
	Tap, TapBlocks bool
	// From is the first block that is computed; its input is then Below, [N,D],
	// from a Trunk, and MixerIn, MixerOut and Blocks begin with it.
	From  int
	Below *tensor.Tensor
	// To is the first block that is left out, with what would follow: Final is
	// nil then. 0 leaves out none.
	To int
	// Recompute keeps of each block its input alone; the backward pass computes
	// the rest again, one block at a time. Every bit stays the same.
	Recompute bool

	model      *Model
	ids, start *G.Node
	weights    *G.Node
	rope       *kernel.Rope // of the model's attention; nil before the first, or without
	params     map[*Param]*G.Node
	inBlock    bool                    // what is added is a block of the model
	shared     map[any]autodiff.Kernel // of mixers, by geometry
}

// Hidden is what a model's forward pass leaves in the graph, all [N,D].
type Hidden struct {
	Final    *G.Node   // after the last norm and over LogitsDivisor, before the head
	MixerIn  []*G.Node // normed; only with Tap
	MixerOut []*G.Node // before the residual; only with Tap
	Blocks   []*G.Node // the residual stream after each block; only with Tap or TapBlocks
}

// Model adds m's forward pass up to the last hidden state.
func (f *Forward) Model(m *Model) Hidden {
	f.bind(m)
	c := &m.Config
	var x *G.Node
	if f.From > 0 {
		x = f.Input("below", f.Below)
	} else {
		x = f.scaled(f.apply(f.embedding(c.VocabSize, c.HiddenSize), f.ids, f.param(m.Embed)), one(c.EmbedScale))
	}
	var h Hidden
	to := len(m.Blocks)
	if f.To > 0 {
		to = f.To
	}
	f.inBlock = true
	for l := f.From; l < to; l++ {
		add := func() *G.Node { return f.block(m.Blocks[l], l, x, &h) }
		if f.Recompute {
			x = f.Graph.Recompute(add)
		} else {
			x = add()
		}
	}
	if f.inBlock = false; f.To > 0 {
		return h
	}
	h.Final = f.scaled(f.norm(x, m.Norm), 1/one(c.LogitsDivisor))
	return h
}

// bind adds the batch's leaves, once.
func (f *Forward) bind(m *Model) {
	if f.model == m {
		return
	}
	f.model, f.params, f.shared, f.rope = m, map[*Param]*G.Node{}, map[any]autodiff.Kernel{}, nil
	f.ids = f.Input(f.Prefix+"ids", f.Batch.IDs)
	f.start = f.Input(f.Prefix+"start", f.Batch.Start)
}

func (f *Forward) block(b *Block, l int, x *G.Node, h *Hidden) *G.Node {
	residual := one(f.model.Config.ResidualScale)
	u := x // of an identity block, which has no norm
	if !b.identity() {
		u = f.norm(x, b.InputNorm)
	}
	switch {
	case f.Tap || f.MixerGates != nil || residual != 1 && !b.identity():
		var y *G.Node
		if _, nothing := b.Mixer.(NoMixer); nothing {
			y = f.scaled(u, 0)
		} else {
			y = b.Mixer.Forward(f, u, nil)
		}
		if f.Tap {
			h.MixerIn, h.MixerOut = append(h.MixerIn, u), append(h.MixerOut, y)
		}
		x = f.join(x, f.scaled(y, residual), f.MixerGates, l)
	default:
		x = b.Mixer.Forward(f, u, x)
	}
	if b.MLP != nil {
		if f.MLPGates != nil || residual != 1 {
			x = f.join(x, f.scaled(b.MLP.forward(f, f.norm(x, b.PostNorm), nil), residual), f.MLPGates, l)
		} else {
			x = b.MLP.forward(f, f.norm(x, b.PostNorm), x)
		}
	}
	if f.Tap || f.TapBlocks {
		h.Blocks = append(h.Blocks, x)
	}
	return x
}

// join adds gate·y to the residual stream.
func (f *Forward) join(x, y *G.Node, gates []*G.Node, l int) *G.Node {
	if gates != nil && gates[l] != nil {
		y = f.apply(f.gate(), y, gates[l])
	}
	return f.apply(f.add2(), x, y)
}

// scaled returns s·x, x itself for 1.
func (f *Forward) scaled(x *G.Node, s float64) *G.Node {
	if s == 1 {
		return x
	}
	return f.apply(f.scaleKernel(s), x)
}

func (f *Forward) apply(k autodiff.Kernel, in ...*G.Node) *G.Node { return f.Apply(k, in...) }

// param returns p's leaf, the same one every time: a tied head is one node.
func (f *Forward) param(p *Param) *G.Node {
	if n := f.params[p]; n != nil {
		return n
	}
	var grad *tensor.Tensor
	if f.Grad != nil {
		grad = f.Grad(p)
	}
	f.params[p] = f.Param(f.Prefix+p.Name, p.Value, grad)
	return f.params[p]
}

func (f *Forward) rows() int { return f.Batch.B * f.Batch.T }
func (f *Forward) f64() bool { return f.model.Embed.Value.DType() == tensor.F64 }

// trains reports whether a backward pass will follow.
func (f *Forward) trains() bool {
	return !f.Measure && (f.Grad != nil || f.MixerGates != nil || f.MLPGates != nil)
}

func (f *Forward) linear(x *G.Node, w *Param, residual *G.Node) *G.Node {
	return f.affine(x, w, nil, residual)
}

// affine adds x·Wᵀ + b + residual; b and residual may be nil.
func (f *Forward) affine(x *G.Node, w, b *Param, residual *G.Node) *G.Node {
	args := []*G.Node{x, f.param(w)}
	if b != nil {
		args = append(args, f.param(b))
	}
	if residual != nil {
		args = append(args, residual)
	}
	o := kernel.LinearOptions{Bias: b != nil, Residual: residual != nil}
	return f.apply(f.linearKernel(w.Value.Dim(1), w.Value.Dim(0), o), args...)
}

func (f *Forward) norm(x *G.Node, w *Param) *G.Node {
	return f.apply(f.rmsNorm(w.Value.Size()), x, f.param(w))
}

// Gates adds one leaf of ones [B] a layer under the given name, to be set by
// the caller between runs. The tensors are returned in layer order.
func (f *Forward) Gates(name string, layers int, dtype tensor.DType) ([]*G.Node, []*tensor.Tensor) {
	var nodes []*G.Node
	var values []*tensor.Tensor
	for l := range layers {
		t := tensor.New(dtype, f.Batch.B)
		fillOnes(t)
		values = append(values, t)
		nodes = append(nodes, f.Input(fmt.Sprintf("%s.%d", name, l), t))
	}
	return nodes, values
}
