package distill

import (
	"fmt"
	"time"

	"stillhouse/layers"
	"stillhouse/recipes"
)

// MeasureCost times decoding (or prefill) of the teacher and of the teacher
// with every mixer replaced, and with none at all, at the budget's context: the
// cost of one attention mixer, one Mamba mixer and all the rest.
func MeasureCost(p *layers.Pool, teacher *layers.Model, s MixerSpec, b Budget) (*CostModel, error) {
	hybrid, bare := teacher.Share(), teacher.Share()
	c := teacher.Config.Clone()
	for l := range teacher.Blocks {
		hybrid.SetMixer(l, s.mixed(&c))
		bare.Blocks[l].Mixer = layers.NoMixer{}
	}
	n := float64(len(teacher.Blocks))
	whole, mamba, rest := secondsPerToken(p, teacher, b), secondsPerToken(p, hybrid, b), secondsPerToken(p, bare, b)
	return &CostModel{Context: b.Context, Attention: max(0, whole-rest) / n, Mamba: max(0, mamba-rest) / n, Rest: rest}, nil
}

// secondsPerToken is the best of three.
func secondsPerToken(p *layers.Pool, m *layers.Model, b Budget) float64 {
	s := MeasureSpeed(p, "", m, []int{b.Context}, 16)[0]
	if b.Prefill {
		return 1 / s.Prefill
	}
	return 1 / s.Decode
}

// fits checks the memory limit against an estimate of the largest phase:
// weights, gradients and moments of what trains, and activations.
func (x *run) fits() error {
	limit := int64(x.recipe.Limits.MaxMemory)
	if limit == 0 {
		return nil
	}
	if need := EstimateMemory(x.recipe, &x.teacher.Model.Config, x.teacher.Model.Size()); need > limit {
		return fmt.Errorf("the run needs about %s, limits.max_memory is %s (hint: a smaller per_device_train_batch_size or sequence_len): %w",
			humanBytes(int(need)), humanBytes(int(limit)), ErrLimit)
	}
	return nil
}

// EstimateMemory returns the bytes of the largest phase: weights of teacher and
// student with gradient and two moments, and the activations of both graphs,
// about 34 widths and 6 MLP widths a token and layer.
func EstimateMemory(r *recipes.Recipe, c *layers.Config, weights int) int64 {
	most := int64(0)
	count, _ := r.Plan.StageCount()
	for i := 1; i <= max(1, count); i++ {
		for _, p := range r.StagePhases(i) {
			most = max(most, int64(p.Train.BatchSize)*int64(p.Train.SequenceLen))
		}
	}
	activations := most * int64(c.Layers()) * int64(34*c.HiddenSize+6*c.Intermediate) * 4
	return int64(weights)*4*5 + activations
}

// Estimate is how long a phase of so many tokens will take at a speed measured
// by taking a few steps.
func Estimate(tokens int64, tokensPerSecond float64) time.Duration {
	return time.Duration(float64(tokens) / tokensPerSecond * float64(time.Second))
}
