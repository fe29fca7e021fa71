package distill

import (
	"fmt"
	"slices"

	"stillhouse/layers"
)

// cohort trains the probes of mmr side by side. Each probe is the student with
// one mixer replaced, which alone trains; so on one batch all of them share the
// teacher's pass and, below their layer, the student's. Both run once, at the first
// stage as one, and each probe's graph begins at its own layer. Counting a pass
// through one block as 1, a step of a probe alone costs 2L + (L-l), forward and
// back; here 2(L-l) and a share of at most 2L. Above their layer probes have nothing
// in common: each sees other activations, and its gradient passes through every
// frozen block (whose weights get none). The bits are those of the probe alone.
type cohort struct {
	pool             *layers.Pool
	teacher, student *layers.Model
	phase            Phase // of every probe, but for what trains
	fill             Fill
	probes           []probe
	at               Position // of all that are still alive
	tokens           int64
	standing         standing
}

// probe is one layer's trial; without a graph it is no more than weights and
// moments.
type probe struct {
	layer int
	model *layers.Model
	opt   *layers.AdamW
}

// newCohort prepares a probe of each model, of which the mixer of the layer
// trains.
func newCohort(p *layers.Pool, teacher, student *layers.Model, ph Phase, fill Fill, models []*layers.Model, ls []int) *cohort {
	c := &cohort{pool: p, teacher: teacher, student: student, phase: ph, fill: fill}
	for i, m := range models {
		ph.Trainable = []Group{{Match: mixersOf(ls[i : i+1]), LRScale: 1}}
		c.probes = append(c.probes, probe{ls[i], m, layers.NewAdamW(p, ph.AdamW, ph.trainable(m))})
	}
	return c
}

// Tokens returns how many tokens all probes together have trained on.
func (c *cohort) Tokens() int64 { return c.tokens }

// Train takes the probes of the given indices some steps further, on the same
// rows, and returns their losses; tick hears of every probe's step. Who is left
// out once must stay out.
func (c *cohort) Train(alive []int, steps int, tick func()) ([][]float64, error) {
	var losses [][]float64
	end := c.at
	for group := range slices.Chunk(alive, cohortSize) {
		end = c.at
		got, err := c.together(group, &end, steps, tick)
		if err != nil {
			return nil, err
		}
		losses = append(losses, got...)
	}
	c.at = end
	return losses, nil
}

// together is Train for one group of probes whose graphs stand side by side.
func (c *cohort) together(group []int, at *Position, steps int, tick func()) ([][]float64, error) {
	if err := c.stand(group); err != nil {
		return nil, err
	}
	losses := make([][]float64, len(group))
	for range steps {
		if _, err := at.fetch(c.fill, c.standing.micro); err != nil {
			return nil, err
		}
		now := make([]float64, len(group))
		for _, k := range group {
			c.probes[k].opt.ZeroGrad()
		}
		for _, m := range c.standing.micro {
			c.standing.batch.CopyFrom(m)
			if err := c.run(now); err != nil {
				return nil, err
			}
		}
		for i, k := range group {
			if err := c.update(&c.probes[k], now[i], at.Step); err != nil {
				return nil, err
			}
			losses[i] = append(losses[i], now[i])
			c.tokens += int64(c.phase.Tokens())
			tick()
		}
		at.Step++
	}
	return losses, nil
}

// update moves a probe's weights, unless its loss or gradient is not finite:
// such a layer ranks last and needs no more than that. No gradient at no loss is
// no error: the mixer did what its layer does from the start.
func (c *cohort) update(p *probe, loss float64, step int) error {
	norm := p.opt.GradNorm()
	if !finite(loss) || !finite(norm) {
		return nil
	}
	if norm == 0 && loss != 0 {
		return fmt.Errorf("layer %d: %w (hint: check objective)", p.layer, errNoGradient)
	}
	p.opt.Step(c.phase.Schedule.At(step), norm, c.phase.MaxNorm)
	return nil
}
