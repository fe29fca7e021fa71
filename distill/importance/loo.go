package importance

import (
	"fmt"
	"time"

	"stillhouse/layers"
)

// Metric is what a layer's absence is measured by.
type Metric string

// The metrics. Accuracy is graded by generation and is by far the dearest.
const (
	MetricCrossEntropy Metric = "cross_entropy" // rise of the cross entropy on the labels
	MetricKL           Metric = "kl"            // KL(teacher‖student)
	MetricAccuracy     Metric = "task_accuracy" // fall of the exact-match accuracy
)

// LOO leaves out one layer at a time and measures what is lost. block leaves
// out the MLP too, as Apriel-H1 does; else only the mixer goes. accuracy, used
// by MetricAccuracy alone, grades a model by generation.
//
// Both losses come from one graph: the gates of the layer are set to zero, the
// teacher runs once a batch.
func LOO(p Probe, metric Metric, block bool, accuracy func(m *layers.Model) (float64, error)) (Scores, error) {
	began := time.Now()
	name := string(metric)
	if block {
		name += ", whole block"
	}
	s := p.scores("loo", name)
	var err error
	if metric == MetricAccuracy {
		err = leaveOutAccuracy(&p, &s, block, accuracy)
	} else {
		err = leaveOutLoss(&p, &s, metric, block)
	}
	if err != nil {
		return s, err
	}
	return p.done(s, began)
}

func leaveOutLoss(p *Probe, s *Scores, metric Metric, block bool) error {
	b := p.batch()
	c := layers.StepConfig{
		Student: p.Student, Batch: b, MixerGates: true, MLPGates: block, Measure: true,
		Objective: layers.Objective{{Type: layers.CrossEntropy, Weight: 1}},
	}
	if metric == MetricKL {
		c.Teacher = p.Teacher
		c.Objective = layers.Objective{{Type: layers.ForwardKL, Weight: 1}}
	}
	step, err := layers.NewStep(p.Pool, c)
	if err != nil {
		return fmt.Errorf("importance: loo: %w", err)
	}
	defer step.Close()
	done, total, counted := 0, p.Batches*(len(p.Layers)+1), 0
	for i := range p.Batches {
		if err := p.Fill(i, b); err != nil {
			return fmt.Errorf("importance: loo: batch %d: %w", i, err)
		}
		if normalise(b) == 0 {
			continue
		}
		if err := step.Run(); err != nil {
			return fmt.Errorf("importance: loo: %w", err)
		}
		whole := step.Loss()
		for j, l := range p.Layers {
			step.SetGate(l, 0, block)
			if err := step.RunStudent(); err != nil {
				return fmt.Errorf("importance: loo: without layer %d: %w", l, err)
			}
			step.SetGate(l, 1, block)
			s.Layers[j].Value += step.Loss() - whole
			done++
			p.progress(done+i+1, total)
		}
		counted++
		s.Tokens += int64(p.B * p.T * (len(p.Layers) + 1))
	}
	if counted == 0 {
		return errMasked(*s)
	}
	for j := range s.Layers {
		s.Layers[j].Value /= float64(counted)
	}
	return nil
}

// normalise scales b's weights to a sum of one and returns what the sum was.
func normalise(b *layers.Batch) float64 {
	total := b.TotalWeight()
	if total > 0 {
		b.ScaleWeight(1 / total)
	}
	return total
}

func leaveOutAccuracy(p *Probe, s *Scores, block bool, accuracy func(m *layers.Model) (float64, error)) error {
	whole, err := accuracy(p.Student)
	if err != nil {
		return fmt.Errorf("importance: loo: %w", err)
	}
	for j, l := range p.Layers {
		a, err := accuracy(p.Student.Without(l, block))
		if err != nil {
			return fmt.Errorf("importance: loo: without layer %d: %w", l, err)
		}
		s.Layers[j].Value = whole - a
		p.progress(j+1, len(p.Layers))
	}
	return nil
}
