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
}

// probe is one layer's trial; between two calls of Train it is no more than
// weights and moments.
type probe struct {
	layer int
	model *layers.Model
	opt   *layers.AdamW
}

// cohortSize bounds how many graphs stand in memory at once; it changes no bit.
const cohortSize = 8

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
	ph := c.phase
	b := c.student.Batch(ph.B, ph.T)
	micro := microBatches(ph, c.student)
	shared, graphs, err := c.graphs(group, b)
	if err != nil {
		return nil, err
	}
	defer shared.close()
	for _, g := range graphs {
		defer g.Close()
	}
	run := c.runner(graphs, group)
	losses := make([][]float64, len(group))
	for range steps {
		if _, err := at.fetch(c.fill, micro); err != nil {
			return nil, err
		}
		now := make([]float64, len(group))
		for _, k := range group {
			c.probes[k].opt.ZeroGrad()
		}
		for _, m := range micro {
			b.CopyFrom(m)
			if err := shared.run(); err != nil {
				return nil, err
			}
			if err := run(now); err != nil {
				return nil, err
			}
		}
		for i, k := range group {
			if err := c.update(&c.probes[k], now[i], at.Step); err != nil {
				return nil, err
			}
			losses[i] = append(losses[i], now[i])
			c.tokens += int64(ph.Tokens())
			tick()
		}
		at.Step++
	}
	return losses, nil
}

// graphs builds those of a group on one batch, and what they have in common.
func (c *cohort) graphs(group []int, b *layers.Batch) (shared *common, graphs []*layers.Step, err error) {
	o := c.phase.Objective
	if shared, err = c.share(b); err != nil {
		return nil, nil, err
	}
	for _, k := range group {
		s := layers.StepConfig{Batch: b, Objective: o, Trunk: shared.trunk, Targets: shared.targets}
		if o.NeedsTeacher() {
			s.Teacher = c.teacher
		}
		s.Student, s.Grad, s.From = c.probes[k].model, c.probes[k].opt.Grad, c.probes[k].layer
		g, err := layers.NewStep(c.pool, s)
		if err != nil {
			shared.close()
			return nil, nil, fmt.Errorf("layer %d: %w", c.probes[k].layer, err)
		}
		graphs = append(graphs, g)
	}
	return shared, graphs, nil
}

// runner returns what runs all graphs on one batch and adds their losses to sums.
// Where there are graphs enough every processor has its own, and no operation is
// divided: small as a probe's operations are, meeting after each one costs more
// than the graphs' different lengths. The costliest come first. Either way the
// bits are the same.
func (c *cohort) runner(graphs []*layers.Step, group []int) func(sums []float64) error {
	errs := make([]error, len(graphs))
	one := func(i int) { errs[i] = graphs[i].Run() }
	all := func() { c.pool.For(len(graphs), one) }
	if len(graphs) < 2*c.pool.Threads() {
		all = func() {
			for i := range graphs {
				one(i)
			}
		}
	}
	return func(sums []float64) error {
		all()
		for i, g := range graphs {
			if errs[i] != nil {
				return fmt.Errorf("layer %d: %w", c.probes[group[i]].layer, errs[i])
			}
			sums[i] += g.Loss()
		}
		return nil
	}
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
