package layers

import (
	"fmt"
	"runtime"
	"slices"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// Pool is the set of goroutines that one step's operations share.
type Pool = parallel.Pool

// OnPaper returns a pool on which nothing runs and kernels take no memory: of a
// step over Outlines, [Step.Memory] then says what it would take.
func OnPaper(threads int) *Pool { return parallel.OnPaper(threads) }

// ProductScratch returns about the bytes that matrix products on so many threads
// keep between calls.
func ProductScratch(threads int) int { return gemm.Scratch(threads) }

// NewPool starts a pool; threads <= 0 means GOMAXPROCS.
func NewPool(threads int) *Pool { return parallel.New(threads) }

// RowStatistics holds what the loss saw of each token; see kernel.RowStatistics.
type RowStatistics = kernel.RowStatistics

// StepConfig says what a Step computes.
type StepConfig struct {
	Student   *Model
	Teacher   *Model // nil when the objective does not look at it
	Batch     *Batch
	Objective Objective
	// Targets, if not nil, are the Teacher's on the same Batch, which the caller
	// fills before each Run: the step then has no graph of the Teacher. Trunk
	// likewise is the pass of a model that is the Student below block From, where
	// the step then begins. Both are for objectives on logits.
	Targets *Targets
	Trunk   *Trunk
	From    int
	// Grad returns where a student's parameter's gradient accumulates, nil for
	// a frozen one. A nil function freezes everything: the step only measures.
	Grad func(p *Param) *tensor.Tensor
	// Recompute keeps of each of the student's blocks its input alone, and runs
	// the block again in the backward pass; see Forward.
	Recompute bool
	// Stats records each token's losses, for evaluation.
	Stats bool
	// MixerGates and MLPGates put a gate [B] on every layer's mixer and MLP.
	// The mixers' are differentiated (GateGrads) unless Measure is set.
	MixerGates, MLPGates, Measure bool
}

// Step is the computation of one micro-batch: the teacher's graph up to its
// last hidden state, the student's graph, the objective and its gradients.
// Both graphs run on the memory of one Batch.
type Step struct {
	Batch   *Batch
	teacher *autodiff.Session
	student *autodiff.Session
	loss    *tensor.Tensor
	head    headLoss
	terms   []termValue

	mixerGates, mlpGates []*tensor.Tensor // [B] a layer
	gateGrads            []*tensor.Tensor
}

// termValue says where to read one term's value after a run.
type termValue struct {
	name  string
	index int              // in head.TermSums; -1 for a sum of distances
	sums  []*tensor.Tensor // scalars of distances, one a layer
}

// NewStep builds both graphs. It returns an error when nothing that trains
// influences the loss: a distillation that would silently do nothing.
func NewStep(p *Pool, c StepConfig) (*Step, error) {
	s := &Step{Batch: c.Batch}
	var th Hidden
	tap := c.Objective.has(HiddenState, MixerOutput)
	if !c.Objective.LogitsOnly() && (c.Targets != nil || c.Trunk != nil) {
		panic("layers: NewStep: targets and trunks hold nothing for hidden and mixer terms")
	}
	if c.Teacher != nil && c.Targets == nil {
		var err error
		s.teacher, err = autodiff.Build(p, func(g *autodiff.Graph) error {
			f := &Forward{Graph: g, Batch: c.Batch, Tap: tap}
			th = f.Model(c.Teacher)
			g.Keep(th.Final)
			for _, nodes := range [][]*G.Node{th.MixerIn, th.MixerOut, th.Blocks} {
				g.Keep(nodes...)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("build the teacher's graph: %w", err)
		}
	}
	var loss *G.Node
	var gateGrads []*G.Node
	var scalars [][]*G.Node
	var err error
	s.student, err = autodiff.Build(p, func(g *autodiff.Graph) error {
		f := &Forward{Graph: g, Batch: c.Batch, Grad: c.Grad, Measure: c.Measure, Tap: c.Objective.has(HiddenState), Recompute: c.Recompute}
		if c.Trunk != nil && c.From > 0 {
			f.From, f.Below = c.From, c.Trunk.below(c.From)
		}
		if c.MixerGates {
			f.MixerGates, s.mixerGates = f.Gates("mixer_gate", len(c.Student.Blocks), c.Batch.Weight.DType())
		}
		if c.MLPGates {
			f.MLPGates, s.mlpGates = f.Gates("mlp_gate", len(c.Student.Blocks), c.Batch.Weight.DType())
		}
		loss, scalars = s.objective(f, c, th)
		g.Keep(loss)
		if !f.trains() {
			return nil
		}
		if err := g.Grad(loss, f.MixerGates...); err != nil {
			return err
		}
		if err := c.checkDistances(g, scalars); err != nil {
			return err
		}
		gateGrads = gateGrads[:0]
		for _, n := range f.MixerGates {
			gateGrads = append(gateGrads, g.Gradient(n))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("build the student's graph: %w", err)
	}
	s.loss = s.student.Value(loss)
	for i, nodes := range scalars {
		for _, n := range nodes {
			s.terms[i].sums = append(s.terms[i].sums, s.student.Value(n))
		}
	}
	for _, n := range gateGrads {
		s.gateGrads = append(s.gateGrads, s.student.Value(n))
	}
	return s, nil
}

// objective adds the student's forward pass and every term; the nodes returned
// are the distances of each term that is not on logits.
func (s *Step) objective(f *Forward, c StepConfig, th Hidden) (*G.Node, [][]*G.Node) {
	var parts []*G.Node
	var weights []float64
	var h Hidden
	s.terms = nil
	f.bind(c.Student)
	if len(c.Objective.onLogits()) == 0 {
		f.To = c.Objective.lastHidden(len(c.Student.Blocks)) + 1
	}
	if len(c.Objective.onLogits()) > 0 || f.To > 0 {
		h = f.Model(c.Student)
	}
	if len(c.Objective.onLogits()) > 0 {
		targets := c.Targets
		if c.Teacher != nil && targets == nil {
			targets = &Targets{Final: s.teacher.Value(th.Final)}
		}
		var n *G.Node
		n, s.head = f.head(c.Objective, h.Final, c.Student.Head, targets, c.Teacher, c.Stats)
		parts, weights = append(parts, n), append(weights, 1)
	}
	scalars := make([][]*G.Node, len(c.Objective))
	onLogits := 0
	for i, t := range c.Objective {
		v := termValue{name: string(t.Type), index: -1}
		switch {
		case t.onLogits():
			v.index = onLogits
			onLogits++
		case t.Type == HiddenState:
			for _, l := range t.layers(len(h.Blocks)) {
				target := f.Input(fmt.Sprintf("teacher.block.%d.%d", l, i), s.teacher.Value(th.Blocks[l]))
				scalars[i] = append(scalars[i], f.distance(h.Blocks[l], target, t.Cosine))
			}
		case t.Type == MixerOutput:
			for _, l := range t.layers(len(c.Student.Blocks)) {
				if t.Layers == nil && !c.Student.Config.Mixers[l].Kind.Mamba() {
					continue
				}
				in := f.Input(fmt.Sprintf("teacher.mixer_in.%d.%d", l, i), s.teacher.Value(th.MixerIn[l]))
				target := f.Input(fmt.Sprintf("teacher.mixer_out.%d.%d", l, i), s.teacher.Value(th.MixerOut[l]))
				scalars[i] = append(scalars[i], f.distance(c.Student.Blocks[l].Mixer.Forward(f, in, nil), target, t.Cosine))
			}
		}
		for _, n := range scalars[i] {
			f.Keep(n)
			parts, weights = append(parts, n), append(weights, t.Weight/float64(len(scalars[i])))
		}
		s.terms = append(s.terms, v)
	}
	if len(parts) == 1 && weights[0] == 1 {
		return parts[0], scalars
	}
	return f.sumScalars(weights, parts), scalars
}

// checkDistances returns an error when the objective distils by hidden and mixer
// terms alone, whose distances are given, and none of them depends on anything
// that trains: the labels' own gradient would hide that nothing is distilled.
func (c StepConfig) checkDistances(g *autodiff.Graph, distances [][]*G.Node) error {
	last := -1
	for i, t := range c.Objective {
		if t.Type == CrossEntropy {
			continue
		}
		if t.onLogits() || slices.ContainsFunc(distances[i], g.Trains) {
			return nil
		}
		last = i
	}
	if last < 0 || c.Grad == nil {
		return nil
	}
	return fmt.Errorf("objective %d, %s, depends on nothing that trains (hint: its layers, or the phase's trainable)", last+1, c.Objective[last].Type)
}

// lastHidden returns the last of n layers that a hidden term looks at, -1 for
// none.
func (o Objective) lastHidden(n int) int {
	last := -1
	for _, t := range o {
		if t.Type != HiddenState {
			continue
		}
		for _, l := range t.layers(n) {
			last = max(last, l)
		}
	}
	return last
}

// layers returns the layers a hidden or mixer term looks at.
func (t Term) layers(n int) []int {
	if t.Layers != nil {
		return t.Layers
	}
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// Run computes the loss of the batch and adds its gradients where Grad said.
func (s *Step) Run() error {
	if s.teacher != nil {
		if err := s.teacher.Run(); err != nil {
			return fmt.Errorf("teacher: %w", err)
		}
	}
	return s.RunStudent()
}

// RunStudent is Run on the teacher's hidden states of the last Run, for another
// student's gates or weights on the same batch.
func (s *Step) RunStudent() error {
	if err := s.student.Run(); err != nil {
		return fmt.Errorf("student: %w", err)
	}
	return nil
}

// Loss returns the last run's loss.
func (s *Step) Loss() float64 { return scalar(s.loss) }

// Terms returns each term's own value in the last run, unweighted.
func (s *Step) Terms(dst []float64) []float64 {
	dst = dst[:0]
	for _, t := range s.terms {
		v := 0.0
		if t.index >= 0 {
			v = s.head.TermSums()[t.index]
		}
		for _, x := range t.sums {
			v += scalar(x) / float64(len(t.sums))
		}
		dst = append(dst, v)
	}
	return dst
}

// Statistics returns each token's losses in the last run, with Stats.
func (s *Step) Statistics() RowStatistics { return s.head.Statistics() }

// SetGate sets layer l's mixer gate, and its MLP gate if there is one and mlp
// is set, to v for every sequence.
func (s *Step) SetGate(l int, v float64, mlp bool) {
	fill(s.mixerGates[l], func(int) float64 { return v })
	if mlp {
		fill(s.mlpGates[l], func(int) float64 { return v })
	}
}

// GateGrads returns ∂loss/∂gate of layer l for every sequence, [B].
func (s *Step) GateGrads(l int) []float64 {
	t := tensor.New(tensor.F64, s.Batch.B)
	t.CopyFrom(s.gateGrads[l])
	return tensor.Data[float64](t)
}

// Memory returns the bytes that the outputs of both graphs take.
func (s *Step) Memory() (m autodiff.Memory) {
	for _, g := range s.sessions() {
		m.Unshared += g.Memory().Unshared
		m.Planned += g.Memory().Planned
	}
	return m
}

// Nodes returns the number of nodes of both graphs.
func (s *Step) Nodes() (n int) {
	for _, g := range s.sessions() {
		n += g.Nodes()
	}
	return n
}

// Profile switches the taking of times by operation on or off.
func (s *Step) Profile(on bool) {
	for _, g := range s.sessions() {
		g.Profile(on)
	}
}

// Times returns the time by operation, the teacher's and the student's apart.
func (s *Step) Times() (teacher, student []autodiff.OpTime) {
	if s.teacher != nil {
		teacher = s.teacher.Times()
	}
	return teacher, s.student.Times()
}

// ResetTimes sets the times to zero.
func (s *Step) ResetTimes() {
	for _, g := range s.sessions() {
		g.ResetTimes()
	}
}

// Close lets go of both graphs.
func (s *Step) Close() {
	for _, g := range s.sessions() {
		g.Close()
	}
	*s = Step{Batch: s.Batch}
	runtime.GC() // a graph is few and large pieces: left to its pace, the heap would hold two
}

func (s *Step) sessions() []*autodiff.Session {
	if s.teacher == nil {
		return []*autodiff.Session{s.student}
	}
	return []*autodiff.Session{s.teacher, s.student}
}

// ISA names the instruction set that float32 kernels run on: results are
// bit-identical on one, not between two.
func ISA() string { return gemm.ISA() }
