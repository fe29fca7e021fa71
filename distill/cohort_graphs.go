package distill

import (
	"fmt"
	"slices"

	"stillhouse/layers"
)

// cohortSize bounds how many graphs stand in memory at once; it changes no bit.
const cohortSize = 8

// standing are the graphs of one group of a cohort's probes, on one batch. They
// stay from one call of Train to the next, for those that are still in it: where all
// probes are one group, nobody's graph is built twice.
type standing struct {
	group  []int
	batch  *layers.Batch
	micro  []*layers.Batch
	shared *common
	graphs []*layers.Step
	errs   []error
}

// stand makes c.standing that of a group.
func (c *cohort) stand(group []int) (err error) {
	s := &c.standing
	if slices.ContainsFunc(group, func(k int) bool { return !slices.Contains(s.group, k) }) {
		c.Close()
		s.batch = c.student.Batch(c.phase.B, c.phase.T)
		s.micro = microBatches(c.phase, c.student)
		if s.shared, s.graphs, err = c.graphs(group, s.batch); err != nil {
			return err
		}
		s.group, s.errs = slices.Clone(group), make([]error, len(group))
		return nil
	}
	var stay []*layers.Step
	for i, k := range s.group {
		if slices.Contains(group, k) {
			stay = append(stay, s.graphs[i])
		} else {
			s.graphs[i].Close()
		}
	}
	s.group, s.graphs = slices.Clone(group), stay
	return nil
}

// Close lets go of the graphs.
func (c *cohort) Close() {
	for _, g := range c.standing.graphs {
		g.Close()
	}
	if c.standing.shared != nil {
		c.standing.shared.close()
	}
	c.standing = standing{}
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
			for _, g := range graphs {
				g.Close()
			}
			shared.close()
			return nil, nil, fmt.Errorf("layer %d: %w", c.probes[k].layer, err)
		}
		graphs = append(graphs, g)
	}
	return shared, graphs, nil
}

// run runs all graphs on one batch and adds their losses to sums. Where there are
// graphs enough every processor has its own, and no operation is divided: small as a
// probe's operations are, meeting after each one costs more than the graphs'
// different lengths. The costliest come first. Either way the bits are the same.
func (c *cohort) run(sums []float64) error {
	s := &c.standing
	if err := s.shared.run(); err != nil {
		return err
	}
	one := func(i int) { s.errs[i] = s.graphs[i].Run() }
	if len(s.graphs) < 2*c.pool.Threads() {
		for i := range s.graphs {
			one(i)
		}
	} else {
		c.pool.For(len(s.graphs), one)
	}
	for i, g := range s.graphs {
		if s.errs[i] != nil {
			return fmt.Errorf("layer %d: %w", c.probes[s.group[i]].layer, s.errs[i])
		}
		sums[i] += g.Loss()
	}
	return nil
}
