package layers

import (
	"fmt"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/tensor"
)

// Taps is a forward pass that keeps every mixer's input and output.
type Taps struct {
	session *autodiff.Session
	hidden  Hidden
}

// NewTaps builds the pass of m over b's memory.
func NewTaps(p *Pool, m *Model, b *Batch) (*Taps, error) {
	t := &Taps{}
	var err error
	t.session, err = autodiff.Build(p, func(g *autodiff.Graph) error {
		f := &Forward{Graph: g, Batch: b, Tap: true}
		t.hidden = f.Model(m)
		g.Keep(t.hidden.MixerIn...)
		g.Keep(t.hidden.MixerOut...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("build the tapped graph: %w", err)
	}
	return t, nil
}

// Run reads the batch.
func (t *Taps) Run() error { return t.session.Run() }

// Mixer returns layer l's mixer input (normed) and output (before the
// residual) of the last Run, [N,D]: the next Run overwrites them.
func (t *Taps) Mixer(l int) (in, out *tensor.Tensor) {
	return t.session.Value(t.hidden.MixerIn[l]), t.session.Value(t.hidden.MixerOut[l])
}

// Close lets go of the graph.
func (t *Taps) Close() { t.session.Close() }
