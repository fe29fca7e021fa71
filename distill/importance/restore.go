package importance

import (
	"fmt"
	"slices"
	"time"

	"stillhouse/layers"
)

// Trial is a short distillation.
type Trial interface {
	// Train takes steps more and returns the loss of each.
	Train(steps int) ([]float64, error)
	// Tokens returns how many tokens were trained on so far.
	Tokens() int64
	Close()
}

// Start begins a distillation of the mixers of the given layers of m against
// the teacher, everything else frozen.
type Start func(m *layers.Model, train []int) (Trial, error)

// Restore scores from the other end, as KL-guided selection does
// (arXiv:2512.20569): all candidates are Mamba and distilled together for
// warmup steps (untrained, the KL is saturated noise); then one attention layer
// at a time is put back, the rest is distilled for a few steps more, and the
// score is how much lower the KL is than after the same steps without it.
func Restore(p Probe, replace Replace, start Start, warmup, steps int) (Scores, error) {
	began := time.Now()
	s := p.scores("restore", fmt.Sprintf("fall of the kl, %d warm-up steps", warmup))
	warm := p.Student.Share()
	for _, l := range p.Layers {
		if err := replace(warm, l); err != nil {
			return s, fmt.Errorf("importance: restore: layer %d: %w", l, err)
		}
	}
	total := len(p.Layers) + 2
	if err := p.train(&s, start, warm, p.Layers, warmup); err != nil {
		return s, fmt.Errorf("importance: restore: warm-up: %w", err)
	}
	p.progress(1, total)
	b := p.batch()
	without := warm.Share()
	without.Own(p.mixers(warm))
	if err := p.train(&s, start, without, p.Layers, steps); err != nil {
		return s, fmt.Errorf("importance: restore: none restored: %w", err)
	}
	base, err := p.kl(without, b)
	if err != nil {
		return s, fmt.Errorf("importance: restore: %w", err)
	}
	p.progress(2, total)
	for j, l := range p.Layers {
		m := warm.Share()
		var rest []int
		for _, o := range p.Layers {
			if o != l {
				rest = append(rest, o)
			}
		}
		m.Own(p.mixers(warm))
		m.PutBack(l, p.Student)
		if err := p.train(&s, start, m, rest, steps); err != nil {
			return s, fmt.Errorf("importance: restore: layer %d: %w", l, err)
		}
		kl, err := p.kl(m, b)
		if err != nil {
			return s, fmt.Errorf("importance: restore: layer %d: %w", l, err)
		}
		s.Layers[j].Value = base - kl
		p.progress(j+3, total)
	}
	return p.done(s, began)
}

// mixers returns whether a parameter is of the mixers that take part: what each
// short distillation needs a copy of its own of.
func (p *Probe) mixers(m *layers.Model) func(*layers.Param) bool {
	var of []*layers.Param
	for _, l := range p.Layers {
		of = append(of, m.Blocks[l].Mixer.Params()...)
	}
	return func(q *layers.Param) bool { return slices.Contains(of, q) }
}

func (p *Probe) train(s *Scores, start Start, m *layers.Model, train []int, steps int) error {
	if len(train) == 0 || steps == 0 {
		return nil
	}
	t, err := start(m, train)
	if err != nil {
		return err
	}
	defer t.Close()
	if _, err := t.Train(steps); err != nil {
		return err
	}
	s.Tokens += t.Tokens()
	return nil
}
