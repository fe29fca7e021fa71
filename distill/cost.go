package distill

import (
	"fmt"

	"stillhouse/layers"
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

// fits checks the memory limit against a plan of the largest phase.
func (x *run) fits() error {
	if x.recipe.Limits.MaxMemory == 0 {
		return nil
	}
	f := &forecast{recipe: x.recipe, config: x.teacher.Model.Config, plan: x.result.Plan, counts: x.counts, threads: x.pool.Threads()}
	if err := f.stages(); err != nil {
		return err
	}
	m, err := f.forecastMemory(0)
	if err != nil {
		return err
	}
	if !m.Fits {
		return fmt.Errorf("the run needs about %s, limits.max_memory is %s (hint: %s): %w", HumanBytes(m.Need), HumanBytes(m.Limit), m.Setting, ErrLimit)
	}
	return nil
}
