package distill

import (
	"fmt"

	"stillhouse/layers"
	"stillhouse/recipes"
)

// MeasureCost times decoding (or prefill) of the teacher and of the teacher
// with every attention mixer replaced, and with none at all, at the budget's
// context: the cost of one attention mixer, one Mamba mixer and all the rest, to
// which the Mamba layers of a teacher that is a hybrid itself belong.
func MeasureCost(p *layers.Pool, teacher *layers.Model, s MixerSpec, b Budget) (*CostModel, error) {
	hybrid, bare := teacher.Share(), teacher.Share()
	c := teacher.Config.Clone()
	n := 0.0
	for l, m := range c.Mixers {
		if m.Kind == layers.KindAttention {
			hybrid.SetMixer(l, s.mixed(&c))
			bare.Blocks[l].Mixer = layers.NoMixer{}
			n++
		}
	}
	if n == 0 {
		return nil, fmt.Errorf("the teacher has no attention layer to measure: its layers are %s", c.Strip())
	}
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
	if m := forecastMemory(x.recipe, &x.teacher.Model.Config, x.teacher.Model.Size(), 0); !m.Fits {
		return fmt.Errorf("the run needs about %s, limits.max_memory is %s (hint: %s): %w", HumanBytes(m.Need), HumanBytes(limit), m.Setting, ErrLimit)
	}
	return nil
}

// EstimateMemory returns the bytes of the largest phase: weights of teacher and
// student with gradient and two moments, and the activations of both graphs,
// about 34 widths and 6 MLP widths a token and layer.
func EstimateMemory(r *recipes.Recipe, c *layers.Config, weights int) (most int64) {
	for _, k := range batchKeys(r) {
		most = max(most, memoryOfStep(c, weights, k.batch*k.t, k.again))
	}
	return most
}

// memoryOfStep is EstimateMemory for a step of so many tokens. When blocks run
// again, only their inputs are as many as layers: there is one block of the
// student, one of the teacher, and the head's gradient and three chunks of
// logits, which are nothing beside the activations of all.
func memoryOfStep(c *layers.Config, weights, tokens int, again bool) int64 {
	block, n, l := int64(34*c.HiddenSize+6*c.Intermediate), int64(tokens), int64(c.Layers())
	activations := n * l * block
	if again {
		activations = min(activations, n*(l*int64(c.HiddenSize)+2*block)+int64(c.VocabSize)*int64(c.HiddenSize+3*256))
	}
	return int64(weights)*4*5 + activations*4
}
