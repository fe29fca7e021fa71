package distill

import "stillhouse/layers"

// common is what all probes see of one batch: the student's pass, in which they
// differ from their layer on, and the teacher's targets.
type common struct {
	trunk   *layers.Trunk   // nil: each graph is whole, and runs the teacher itself
	targets *layers.Targets // nil likewise
	kept    *targetSource   // of the targets; nil: the teacher runs for every batch
	teacher *layers.Pass    // where it runs apart from the trunk
}

// share prepares what the probes have in common on b.
func (c *cohort) share(b *layers.Batch) (s *common, err error) {
	o := c.phase.Objective
	if s = new(common); !o.LogitsOnly() {
		return s, nil
	}
	if s.trunk, err = layers.NewTrunk(c.pool, c.student, b); err != nil || !o.NeedsTeacher() {
		return s, err
	}
	own := sameWeights(c.student, c.teacher) // the trunk is the teacher's pass
	switch {
	case c.phase.Targets.serves(o):
		if s.kept, err = c.phase.Targets.source(c.pool, b, o); err != nil {
			break
		}
		if s.targets = s.kept.Targets; own {
			s.teacher = &s.trunk.Pass
		}
	case own:
		s.targets = s.trunk.Targets()
	default:
		if s.teacher, err = layers.NewPass(c.pool, c.teacher, b); err == nil {
			s.targets = s.teacher.Targets()
		}
	}
	if err != nil {
		s.close()
	}
	return s, err
}

// run reads the batch.
func (s *common) run() error {
	if s.trunk == nil {
		return nil
	}
	if err := s.trunk.Run(); err != nil {
		return err
	}
	switch {
	case s.kept != nil && s.teacher != nil:
		return s.kept.fill(s.teacher.Final())
	case s.kept != nil:
		return s.kept.fill(nil)
	case s.teacher != nil:
		return s.teacher.Run()
	}
	return nil
}

// memory returns the bytes of the passes' outputs, and their nodes.
func (s *common) memory() (bytes, nodes int) {
	for _, p := range s.passes() {
		bytes, nodes = bytes+p.Memory(), nodes+p.Nodes()
	}
	return bytes, nodes
}

// passes are the trunk and, apart from it, the teacher's.
func (s *common) passes() (ps []*layers.Pass) {
	if s.trunk != nil {
		ps = append(ps, &s.trunk.Pass)
	}
	if s.teacher != nil && (s.trunk == nil || s.teacher != &s.trunk.Pass) {
		ps = append(ps, s.teacher)
	}
	if s.kept != nil && s.kept.pass != nil {
		ps = append(ps, s.kept.pass)
	}
	return ps
}

func (s *common) close() {
	s.kept.Close()
	if s.trunk == nil {
		return
	}
	s.trunk.Close()
	if s.teacher != nil && s.teacher != &s.trunk.Pass {
		s.teacher.Close()
	}
}

// sameWeights reports whether a is b with all its memory.
func sameWeights(a, b *layers.Model) bool {
	if len(a.Params()) != len(b.Params()) {
		return false
	}
	for _, p := range a.Params() {
		if !sharedWith(b, p) {
			return false
		}
	}
	return true
}
