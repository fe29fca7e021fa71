package layers

import (
	"fmt"

	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// Targets is all that losses on logits look at of a teacher on one batch, in
// memory of its own: a caller fills it from a [Pass] over the batch or from where
// it kept the same before, and steps read it. It is the last hidden state, from
// which the loss makes all logits, or the largest logits of each token with what
// the others come to.
type Targets struct {
	Final *tensor.Tensor // [N,D]; nil when the largest logits are kept instead

	Top          int            // how many of them, K; 0: the last hidden state is kept
	Temperatures []float64      // at which the rest is summed, M of them
	IDs          *tensor.Tensor // I32 [N,K], the largest logit first
	Values       *tensor.Tensor // [N,K+2M]: the logits, then of each temperature the rest's log-sum in two parts

	selection selection
}

// selection is kernel.TopK of either floating type.
type selection interface {
	run(t *Targets, final, head *tensor.Tensor)
}

// NewTargets returns memory for the targets of teacher m on batches of b's size:
// the last hidden state or, for the temperatures that the objective has, the top
// largest logits. It panics when top is not within the vocabulary.
func NewTargets(p *Pool, m *Model, b *Batch, o Objective, top int) *Targets {
	n, v, d, dtype := b.B*b.T, m.Head.Value.Dim(0), m.Head.Value.Dim(1), m.Embed.Value.DType()
	if top == 0 {
		return &Targets{Final: m.Embed.Value.Another(dtype, n, d)}
	}
	if top < 0 || top > v {
		panic(fmt.Sprintf("layers: NewTargets: the top %d of %d logits", top, v))
	}
	t := &Targets{Top: top, Temperatures: kernel.Temperatures(o.onLogits())}
	e := m.Embed.Value
	t.IDs, t.Values = e.Another(tensor.I32, n, top), e.Another(dtype, n, kernel.TopKWidth(top, len(t.Temperatures)))
	if dtype == tensor.F64 {
		t.selection = selectionOf[float64]{kernel.NewTopK[float64](p, n, d, v, top, t.Temperatures)}
	} else {
		t.selection = selectionOf[float32]{kernel.NewTopK[float32](p, n, d, v, top, t.Temperatures)}
	}
	return t
}

// Set makes them those of a last hidden state [N,D] of m.
func (t *Targets) Set(m *Model, final *tensor.Tensor) {
	if t.Top == 0 {
		t.Final.CopyFrom(final)
		return
	}
	t.selection.run(t, final, m.Head.Value)
}

// Tensors returns what the targets consist of, rows of it for each token.
func (t *Targets) Tensors() []*tensor.Tensor {
	if t.Top == 0 {
		return []*tensor.Tensor{t.Final}
	}
	return []*tensor.Tensor{t.IDs, t.Values}
}

// TargetBytes returns the bytes of one token's targets in float32.
func TargetBytes(c *Config, o Objective, top int) int {
	if top == 0 {
		return 4 * c.HiddenSize
	}
	return 4 * (top + kernel.TopKWidth(top, len(kernel.Temperatures(o.onLogits()))))
}

type selectionOf[T tensor.Float] struct{ *kernel.TopK[T] }

func (s selectionOf[T]) run(t *Targets, final, head *tensor.Tensor) {
	s.Run(tensor.Data[int32](t.IDs), tensor.Data[T](t.Values), tensor.Data[T](final), tensor.Data[T](head))
}
