package distill

import (
	"fmt"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// MicroDistillation is the smallest whole use of the method: one of two layers
// of a random transformer becomes a Mamba-2 mixer by weight transfer, and trains
// against the transformer. It returns the loss of every step. On a machine where
// they do not fall, or not by the same bits at any number of threads, nothing
// else is worth trying.
func MicroDistillation(p *layers.Pool, steps int) ([]float64, error) {
	c := layers.Config{VocabSize: 64, HiddenSize: 32, Intermediate: 64, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 10000, NormEps: 1e-5,
		Mixers: []layers.Mixed{{Kind: layers.KindAttention}, {Kind: layers.KindAttention}}}
	teacher, err := layers.New(c, tensor.F32)
	if err != nil {
		return nil, fmt.Errorf("micro-distillation: %w", err)
	}
	teacher.Init(1)
	student := teacher.Share()
	if _, err := Swap(p, student, 1, MixerSpec{Kind: layers.KindMamba2, Init: InitRandom}, 1, nil); err != nil {
		return nil, fmt.Errorf("micro-distillation: %w", err)
	}
	random := randomTokens(c.VocabSize)
	t, err := NewTrainer(p, teacher, student, Phase{
		Name:      "micro",
		Objective: layers.Objective{{Type: layers.ReverseKL, Weight: 1, Temperature: 1}},
		Trainable: []Group{{Match: mixersOf([]int{1}), LRScale: 1}},
		Schedule:  Schedule{Type: "constant", Peak: 1e-2, Warmup: 5, Steps: steps},
		B:         4, T: 32, Accumulate: 1, MaxNorm: 1,
		AdamW: layers.AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8},
	}, func(_ int64, b *layers.Batch) error { return random(0, b) }, Position{})
	if err != nil {
		return nil, fmt.Errorf("micro-distillation: %w", err)
	}
	defer t.Close()
	var losses []float64
	for !t.Done() {
		m, err := t.Train()
		if err != nil {
			return losses, fmt.Errorf("micro-distillation: %w", err)
		}
		losses = append(losses, m.Loss)
	}
	return losses, nil
}
