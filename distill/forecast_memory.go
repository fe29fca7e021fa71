package distill

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// MemoryForecast lays the largest phase's need against what there is.
type MemoryForecast struct {
	Need    int64       `json:"need"`
	Parts   MemoryParts `json:"parts"`             // of the need
	Phase   string      `json:"phase"`             // the largest, which has it
	Limit   int64       `json:"limit"`             // limits.max_memory; 0: none
	RAM     int64       `json:"ram"`               // of this machine; 0: not known
	Fits    bool        `json:"fits"`              //
	Setting string      `json:"setting,omitempty"` // that would make it fit
}

// Bound is the smaller of the recipe's limit and the machine's memory, 0 if
// neither is known.
func (m MemoryForecast) Bound() int64 {
	if m.Limit > 0 && (m.RAM == 0 || m.Limit < m.RAM) {
		return m.Limit
	}
	return m.RAM
}

// forecastMemory lays the need of a recipe's largest phase against its limit and
// the machine's memory.
func (f *forecast) forecastMemory(ram int64) (m MemoryForecast, err error) {
	m = MemoryForecast{Limit: int64(f.recipe.Limits.MaxMemory), RAM: ram, Fits: true}
	if f.steps, err = f.trainingSteps(); err != nil {
		return m, err
	}
	p := paper{threads: f.threads, known: map[sheet]MemoryParts{}}
	for i := range f.steps {
		if parts := p.parts(&f.steps[i], f.steps[i].phase.B, false); parts.Total() > m.Need {
			m.Need, m.Parts, m.Phase = parts.Total(), parts, f.steps[i].name
		}
	}
	if bound := m.Bound(); bound > 0 && m.Need > bound {
		m.Fits, m.Setting = false, p.advice(f.steps, bound)
	}
	return m, nil
}

// paper is where steps are laid out, each once.
type paper struct {
	threads int
	known   map[sheet]MemoryParts
}

type sheet struct {
	step  *trainingStep
	batch int
	again bool
}

// parts returns what a step takes at a batch size; again says that its blocks are
// checkpointed whatever the recipe says. It is 0 of a phase in which nothing
// trains, which may be so of the likely layers alone: what is wrong with it is for
// the run to say.
func (p *paper) parts(s *trainingStep, batch int, again bool) MemoryParts {
	ph := s.phase
	ph.B, ph.Recompute = batch, ph.Recompute || again && s.trains()
	if s.sample != nil {
		r := *s.recipe
		r.Train.BatchSize = batch
		ph.B, ph.T, _ = batchesOf(*s.sample, &r)
	}
	key := sheet{s, ph.B, ph.Recompute}
	m, ok := p.known[key]
	if !ok {
		switch {
		case s.gates:
			m, _ = planGates(p.threads, s.teacher, s.student, ph.B, ph.T)
		case s.fits != nil:
			m, _ = planFit(p.threads, s.teacher, s.student, s.fits, s.spec, ph.B, ph.T, calibrationBytes(s.recipe, &s.teacher.Config))
		case s.probes != nil:
			m, _ = planCohort(p.threads, s.teacher, s.student, ph, s.spec, s.probes)
		default:
			m, _ = planTrainer(p.threads, s.teacher, s.student, ph)
		}
		m.Calibration += s.calibration
		p.known[key] = m
	}
	return m
}

// most returns the largest need of the steps that a key sets the batch size of,
// at that size.
func (p *paper) most(steps []trainingStep, key string, batch int) (need int64, of *trainingStep) {
	for i := range steps {
		if s := &steps[i]; s.key == key {
			if n := p.parts(s, batch, false).Total(); n > need {
				need, of = n, s
			}
		}
	}
	return need, of
}

// advice is what would make steps fit that do not: the largest batch size of each
// key that sets one, and checkpointing if that alone helps.
func (p *paper) advice(steps []trainingStep, bound int64) string {
	var changes, seen []string
	after := int64(0)
	for i := range steps {
		key, batch := steps[i].key, steps[i].phase.B
		if slices.Contains(seen, key) {
			continue
		}
		seen = append(seen, key)
		fit := batch
		if need, _ := p.most(steps, key, batch); need > bound {
			fit = sort.Search(batch-1, func(b int) bool {
				need, _ := p.most(steps, key, b+1)
				return need > bound
			})
		}
		if fit == 0 {
			return p.noBatch(steps, key, bound) + p.checkpointing(steps, bound)
		}
		if fit < batch {
			changes = append(changes, fmt.Sprintf("--set %s=%d", key, fit))
		}
		need, _ := p.most(steps, key, fit)
		after = max(after, need)
	}
	return fmt.Sprintf("%s fits: %s of %s", strings.Join(changes, " "), HumanBytes(after), HumanBytes(bound)) + p.checkpointing(steps, bound)
}

// noBatch says why one sequence at a time is still too much.
func (p *paper) noBatch(steps []trainingStep, key string, bound int64) string {
	need, s := p.most(steps, key, 1)
	m, floor := p.parts(s, 1, false), int64(0)
	for i := range steps {
		w := p.parts(&steps[i], 1, false)
		floor = max(floor, w.Weights+w.Optimizer+w.Process)
	}
	if floor > bound {
		return fmt.Sprintf("the weights with their gradients and moments alone take %s: a smaller teacher or more memory is needed", HumanBytes(floor))
	}
	if floor := m.Total() - m.Activations - m.Scratch; floor > bound {
		return fmt.Sprintf("the sample that mixers are fitted on takes %s of %s: a smaller student.mixer.fit.sequences, or student.mixer.init mil", HumanBytes(m.Calibration), HumanBytes(floor))
	}
	return fmt.Sprintf("no batch size makes it fit: one sequence of %d tokens takes %s; a smaller data.sequence_len, a smaller teacher or more memory would", s.phase.T, HumanBytes(need))
}

// checkpointing is the advice to checkpoint blocks, "" where that is not enough.
func (p *paper) checkpointing(steps []trainingStep, bound int64) string {
	again := int64(0)
	for i := range steps {
		again = max(again, p.parts(&steps[i], steps[i].phase.B, true).Total())
	}
	if again > bound {
		return ""
	}
	return fmt.Sprintf("; so does --set train.checkpoint_blocks=true, at about a quarter more time: %s of %s", HumanBytes(again), HumanBytes(bound))
}
