package layers

import (
	"fmt"
	"slices"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/tensor"
)

// Taps is a forward pass that keeps some mixers' inputs and outputs.
type Taps struct {
	session *autodiff.Session
	hidden  Hidden
}

// NewTaps builds the pass of m over b's memory, as far as the last of the layers
// whose mixers are asked for.
func NewTaps(p *Pool, m *Model, b *Batch, ls ...int) (*Taps, error) {
	t := &Taps{}
	var err error
	t.session, err = autodiff.Build(p, func(g *autodiff.Graph) error {
		f := &Forward{Graph: g, Batch: b, Tap: true, To: slices.Max(ls) + 1}
		t.hidden = f.Model(m)
		for _, l := range ls {
			g.Keep(t.hidden.MixerIn[l], t.hidden.MixerOut[l])
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("build the tapped graph: %w", err)
	}
	return t, nil
}

// Run reads the batch.
func (t *Taps) Run() error { return t.session.Run() }

// Memory returns the bytes of the kept and the passing outputs.
func (t *Taps) Memory() int { return t.session.Memory().Planned }

// Nodes returns the number of nodes of the graph.
func (t *Taps) Nodes() int { return t.session.Nodes() }

// Mixer returns the mixer input (normed) and output (before the
// residual) of l, one of the layers asked for, in the last Run, [N,D]: the next
// Run overwrites them.
func (t *Taps) Mixer(l int) (in, out *tensor.Tensor) {
	return t.session.Value(t.hidden.MixerIn[l]), t.session.Value(t.hidden.MixerOut[l])
}

// Close lets go of the graph.
func (t *Taps) Close() { t.session.Close() }
