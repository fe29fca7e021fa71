package importance

import (
	"fmt"
	"time"

	"stillhouse/layers"
)

// Replace puts an initialised Mamba mixer in the place of layer l of a model
// that shares its weights with others. MMR calls it for several at a
// time unless the Probe says one by one.
type Replace func(m *layers.Model, l int) error

// Swap scores a layer by KL(teacher‖student) with an initialised, untrained
// Mamba mixer in its place: what the initialiser alone cannot carry over.
func Swap(p Probe, replace Replace) (Scores, error) {
	began := time.Now()
	s := p.scores("swap", "kl")
	b := p.batch()
	for j, l := range p.Layers {
		m := p.Student.Share()
		if err := replace(m, l); err != nil {
			return s, fmt.Errorf("importance: swap: layer %d: %w", l, err)
		}
		kl, err := p.kl(m, b)
		if err != nil {
			return s, fmt.Errorf("importance: swap: layer %d: %w", l, err)
		}
		s.Layers[j].Value = kl
		s.Tokens += int64(p.Batches * p.B * p.T)
		p.progress(j+1, len(p.Layers))
	}
	return p.done(s, began)
}

// kl returns KL(teacher‖m) over the calibration set, the mean of its batches that
// have an unmasked token.
func (p *Probe) kl(m *layers.Model, b *layers.Batch) (float64, error) {
	step, err := layers.NewStep(p.Pool, layers.StepConfig{
		Student: m, Teacher: p.Teacher, Batch: b,
		Objective: layers.Objective{{Type: layers.ForwardKL, Weight: 1}},
	})
	if err != nil {
		return 0, err
	}
	defer step.Close()
	sum, counted := 0.0, 0
	for i := range p.Batches {
		if err := p.Fill(i, b); err != nil {
			return 0, err
		}
		if normalise(b) == 0 {
			continue
		}
		if err := step.Run(); err != nil {
			return 0, err
		}
		sum += step.Loss()
		counted++
	}
	if counted == 0 {
		return 0, fmt.Errorf("no calibration sequence has an unmasked token (hint: data.loss_on: all)")
	}
	return sum / float64(counted), nil
}
