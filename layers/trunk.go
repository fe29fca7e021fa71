package layers

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/tensor"
)

// Pass is a model's forward pass that keeps its last hidden state: a teacher's,
// whose targets serve many steps.
type Pass struct {
	session *autodiff.Session
	final   *G.Node
}

// NewPass builds the pass of m over b's memory.
func NewPass(p *Pool, m *Model, b *Batch) (*Pass, error) {
	t, err := newTrunk(p, m, b, false)
	if err != nil {
		return nil, err
	}
	return &t.Pass, nil
}

// Run reads the batch.
func (s *Pass) Run() error {
	if err := s.session.Run(); err != nil {
		return fmt.Errorf("forward pass: %w", err)
	}
	return nil
}

// Final returns the last hidden state of the last Run, [N,D]: the next one
// overwrites it.
func (s *Pass) Final() *tensor.Tensor { return s.session.Value(s.final) }

// Targets returns the same as targets that need no copy.
func (s *Pass) Targets() *Targets { return &Targets{Final: s.Final()} }

// Memory returns the bytes of the kept and the passing outputs.
func (s *Pass) Memory() int { return s.session.Memory().Planned }

// Nodes returns the number of nodes of the graph.
func (s *Pass) Nodes() int { return s.session.Nodes() }

// Close lets go of the graph.
func (s *Pass) Close() { s.session.Close() }

// Trunk is a Pass that keeps every block's input too, so that steps of models
// that differ from this one only from some block on can start there: what lies
// below is computed once for all of them.
type Trunk struct {
	Pass
	blocks []*G.Node
}

// NewTrunk builds the pass of m over b's memory.
func NewTrunk(p *Pool, m *Model, b *Batch) (*Trunk, error) { return newTrunk(p, m, b, true) }

func newTrunk(p *Pool, m *Model, b *Batch, blocks bool) (*Trunk, error) {
	t := &Trunk{}
	var err error
	t.session, err = autodiff.Build(p, func(g *autodiff.Graph) error {
		f := &Forward{Graph: g, Batch: b, TapBlocks: blocks}
		h := f.Model(m)
		t.final, t.blocks = h.Final, h.Blocks
		g.Keep(t.final)
		g.Keep(t.blocks...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("build the shared graph: %w", err)
	}
	return t, nil
}

// below returns the input of block l, l ≥ 1, [N,D].
func (t *Trunk) below(l int) *tensor.Tensor { return t.session.Value(t.blocks[l-1]) }
