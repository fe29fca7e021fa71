package layers

import (
	"fmt"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/tensor"
)

// Trunk is a forward pass that keeps every block's input and the last hidden
// state, so that steps of models that differ from this one only from some block
// on can start there: what lies below is computed once for all of them.
type Trunk struct {
	session *autodiff.Session
	hidden  Hidden
}

// NewTrunk builds the pass of m over b's memory.
func NewTrunk(p *Pool, m *Model, b *Batch) (*Trunk, error) {
	t := &Trunk{}
	var err error
	t.session, err = autodiff.Build(p, func(g *autodiff.Graph) error {
		f := &Forward{Graph: g, Batch: b, Tap: true}
		t.hidden = f.Model(m)
		g.Keep(t.hidden.Final)
		g.Keep(t.hidden.Blocks...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("build the shared graph: %w", err)
	}
	return t, nil
}

// Run reads the batch.
func (t *Trunk) Run() error {
	if err := t.session.Run(); err != nil {
		return fmt.Errorf("shared pass: %w", err)
	}
	return nil
}

// below returns the input of block l, l ≥ 1, [N,D].
func (t *Trunk) below(l int) *tensor.Tensor { return t.session.Value(t.hidden.Blocks[l-1]) }

// final returns the last hidden state, [N,D]; nil for no trunk.
func (t *Trunk) final() *tensor.Tensor {
	if t == nil {
		return nil
	}
	return t.session.Value(t.hidden.Final)
}

// Memory returns the bytes of the kept and the passing outputs.
func (t *Trunk) Memory() int { return t.session.Memory().Planned }

// Close lets go of the graph.
func (t *Trunk) Close() { t.session.Close() }
