package distill

import (
	"runtime"
	"slices"

	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// MemoryParts is where the memory of a training step is, in bytes.
type MemoryParts struct {
	Weights     int64 `json:"weights"`               // teacher and student, what they share once
	Optimizer   int64 `json:"optimizer"`             // gradient and two moments of what trains
	Activations int64 `json:"activations"`           // outputs of both graphs
	Scratch     int64 `json:"scratch"`               // the rest of the heap: what kernels keep for their backward pass, batches, targets, packed operands
	Calibration int64 `json:"calibration,omitempty"` // what fitted mixers are fitted on: all of it where a run keeps it, else one layer's
	Process     int64 `json:"process"`               // what is no heap in use: the program, the runtime's own, pages not full
}

// Total is all of it.
func (m MemoryParts) Total() int64 {
	return m.Weights + m.Optimizer + m.Activations + m.Scratch + m.Calibration + m.Process
}

// What no tensor says, measured with Go 1.26 on Linux.
const (
	processBytes = 33 << 20 // resident beside the heap: the program, its stacks and what the collector books
	nodeBytes    = 2 << 10  // heap that one node of a graph takes in Gorgonia's books
)

// planTrainer returns what a Trainer of the phase takes. Nothing of it is
// estimated but the constants above: the models are [layers.Outline]s, and over
// them NewTrainer itself builds all that it would, on paper.
func planTrainer(threads int, teacher, student *layers.Model, ph Phase) (m MemoryParts, err error) {
	p := layers.OnPaper(threads)
	student = student.Share() // the trainer gives it memory of its own
	t, err := NewTrainer(p, teacher, student, ph, nil, Position{})
	if err != nil {
		return m, err
	}
	activations, optimizer := t.Memory()
	m.Weights, m.Optimizer, m.Activations = weightBytes(teacher, student), int64(optimizer), int64(activations)
	m.Scratch = scratchOf(p, t.nodes(), t.step.Batch.Bytes()*(1+len(t.micro))+t.targets.bytes())
	m.Process = processBytes
	return m, nil
}

// planCohort returns what mmr takes that replaces each of some layers by a mixer
// of the spec: its largest group of probes, the lowest, at once.
func planCohort(threads int, teacher, student *layers.Model, ph Phase, spec MixerSpec, ls []int) (m MemoryParts, err error) {
	p := layers.OnPaper(threads)
	models, group := make([]*layers.Model, len(ls)), make([]int, min(cohortSize, len(ls)))
	for i, l := range ls {
		models[i] = student.Share()
		models[i].SetMixer(l, spec.mixed(&student.Config))
	}
	for i := range group {
		group[i] = i
	}
	c := newCohort(p, teacher, student, ph, nil, models, ls)
	b := student.Batch(ph.B, ph.T)
	shared, graphs, err := c.graphs(group, b)
	if err != nil {
		return m, err
	}
	activations, nodes := shared.memory()
	for _, g := range graphs {
		activations, nodes = activations+g.Memory().Planned, nodes+g.Nodes()
	}
	for _, probe := range c.probes {
		for _, s := range probe.opt.State() {
			m.Optimizer += int64(s.Value.Bytes()) * 3 / 2 // m, v and the gradient
		}
	}
	m.Weights, m.Activations = weightBytes(append(models, teacher, student)...), int64(activations)
	m.Scratch = scratchOf(p, nodes, b.Bytes()*(1+ph.Accumulate)+shared.kept.bytes())
	m.Process = processBytes
	return m, nil
}

// planGates returns what scoring by gates takes on batches of that size.
func planGates(threads int, teacher, student *layers.Model, batch, length int) (m MemoryParts, err error) {
	p := layers.OnPaper(threads)
	b := student.Batch(batch, length)
	s, err := importance.GateStep(p, student, b)
	if err != nil {
		return m, err
	}
	m.Weights, m.Activations = weightBytes(teacher, student), int64(s.Memory().Planned)
	m.Scratch = scratchOf(p, s.Nodes(), b.Bytes())
	m.Process = processBytes
	return m, nil
}

// planFit returns what fitting a mixer in the place of the last of some layers
// takes beside its sample: the pass that collects it, and the normal equations. What
// is garbage by then is of the size of what is in use, as the collector lets it be.
func planFit(threads int, teacher, student *layers.Model, ls []int, spec MixerSpec, batch, length int, sample int64) (m MemoryParts, err error) {
	p := layers.OnPaper(threads)
	b := teacher.Batch(batch, length)
	taps, err := layers.NewTaps(p, teacher, b, slices.Max(ls))
	if err != nil {
		return m, err
	}
	student = student.Share()
	for _, l := range ls {
		student.SetMixer(l, spec.mixed(&teacher.Config))
	}
	m.Weights, m.Activations, m.Calibration = weightBytes(teacher, student), int64(taps.Memory()), sample
	m.Scratch = scratchOf(p, taps.Nodes(), b.Bytes()) + layers.FitScratch(&teacher.Config, batch*length)
	m.Scratch += m.Weights + m.Activations + m.Calibration + m.Scratch // garbage
	m.Process = processBytes
	return m, nil
}

// scratchOf is what a pool on paper entered, with the books of so many nodes, packed
// operands, and the bytes that batches and targets take.
func scratchOf(p *layers.Pool, nodes, batches int) int64 {
	return int64(p.Entered() + layers.ProductScratch(p.Threads()) + nodeBytes*nodes + batches)
}

// weightBytes is the size of the memory behind the weights of some models; nil
// ones have none.
func weightBytes(models ...*layers.Model) (n int64) {
	var seen []*tensor.Tensor
	done := map[*layers.Param]bool{}
	for _, m := range models {
		if m == nil {
			continue
		}
	params:
		for _, p := range m.Params() {
			if done[p] {
				continue
			}
			done[p] = true
			for _, s := range seen {
				if tensor.SharesMemory(s, p.Value) {
					continue params
				}
			}
			seen = append(seen, p.Value)
			n += int64(p.Value.Bytes())
		}
	}
	return n
}

// threadsOf returns how many threads a run of the recipe has here.
func threadsOf(r *recipes.Recipe) int {
	if r.Threads > 0 {
		return r.Threads
	}
	return runtime.GOMAXPROCS(0)
}
