package importance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Gate scores every layer with one backward pass. Each mixer's output is
// multiplied by a gate of ones, one a layer and sequence, inside the graph:
//
//	x = x + g_{l,b}·Mixer_l(RMSNorm(x))        score_l = sqrt(mean_b (∂CE_b/∂g_{l,b})²)
//
// with CE_b the mean over sequence b's unmasked tokens: the root of the diagonal
// of the empirical Fisher information in the gates. With sampled labels, drawn
// from the teacher, it is the curvature of the KL to the teacher instead: how
// fast the student leaves the teacher when the layer is turned down.
func Gate(p Probe, sampled bool) (Scores, error) {
	began := time.Now()
	metric := "fisher, labels from data"
	if sampled {
		metric = "fisher, labels from the teacher"
	}
	s := p.scores("gate", metric)
	b := p.batch()
	step, err := GateStep(p.Pool, p.Student, b)
	if err != nil {
		return s, fmt.Errorf("importance: gate: %w", err)
	}
	defer step.Close()
	r := rand.New(rand.NewPCG(p.Seed, 0x6a7e))
	sum := make([]float64, len(p.Layers))
	sequences := 0
	for i := range p.Batches {
		if err := p.Fill(i, b); err != nil {
			return s, fmt.Errorf("importance: gate: batch %d: %w", i, err)
		}
		if sampled {
			logits, err := layers.Logits(p.Pool, p.Teacher, b)
			if err != nil {
				return s, fmt.Errorf("importance: gate: teacher: %w", err)
			}
			sample(b, logits, r)
		}
		counted := perSequence(b)
		if err := step.Run(); err != nil {
			return s, fmt.Errorf("importance: gate: batch %d: %w", i, err)
		}
		for j, l := range p.Layers {
			for k, g := range step.GateGrads(l) {
				if counted[k] {
					sum[j] += g * g
				}
			}
		}
		for _, c := range counted {
			if c {
				sequences++
			}
		}
		s.Tokens += int64(p.B * p.T)
		p.progress(i+1, p.Batches)
	}
	if sequences == 0 {
		return s, errMasked(s)
	}
	for j := range sum {
		s.Layers[j].Value = math.Sqrt(sum[j] / float64(sequences))
	}
	return p.done(s, began)
}

// GateStep is the pass forward and back that Gate takes of every batch, made here
// for whoever wants to know its size.
func GateStep(p *layers.Pool, student *layers.Model, b *layers.Batch) (*layers.Step, error) {
	return layers.NewStep(p, layers.StepConfig{
		Student: student, Batch: b, MixerGates: true,
		Objective: layers.Objective{{Type: layers.CrossEntropy, Weight: 1}},
	})
}

// perSequence scales the weights so that each sequence's sum to one, and
// reports which sequences have any.
func perSequence(b *layers.Batch) []bool {
	w := float64s(b.Weight)
	counted := make([]bool, b.B)
	for i := range b.B {
		row, total := w[i*b.T:(i+1)*b.T], 0.0
		for _, v := range row {
			total += v
		}
		for j := range row {
			if total > 0 {
				row[j] /= total
			}
		}
		counted[i] = total > 0
	}
	b.Weight.CopyFrom(tensor.From(w, len(w)))
	return counted
}

// sample replaces the labels of counted tokens by draws from softmax(logits).
func sample(b *layers.Batch, logits *tensor.Tensor, r *rand.Rand) {
	v := logits.Dim(-1)
	all, labels := float64s(logits), tensor.Data[int32](b.Labels)
	for n := range labels {
		if labels[n] < 0 {
			continue
		}
		row, top, z := all[n*v:(n+1)*v], math.Inf(-1), 0.0
		for _, x := range row {
			top = max(top, x)
		}
		for _, x := range row {
			z += math.Exp(x - top)
		}
		u := r.Float64() * z
		for i, x := range row {
			if u -= math.Exp(x - top); u < 0 || i == v-1 {
				labels[n] = int32(i)
				break
			}
		}
	}
}

// float64s returns a copy of t's elements.
func float64s(t *tensor.Tensor) []float64 {
	c := tensor.New(tensor.F64, t.Shape()...)
	c.CopyFrom(t)
	return tensor.Data[float64](c)
}
