package distill

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Phase is one training phase with everything resolved: what trains, on what,
// for how long.
type Phase struct {
	Name       string
	Objective  layers.Objective
	Trainable  []Group
	Schedule   Schedule
	B, T       int // of one micro-batch
	Accumulate int // micro-batches a step
	MaxNorm    float64
	AdamW      layers.AdamWConfig
	Recompute  bool         // keep blocks' inputs, run blocks again in the backward pass
	Targets    *TargetCache // of the teacher, nil: it runs at every step
	LogEvery   int
}

// Group is a set of parameters that train together.
type Group struct {
	Match   func(name string) bool // of a checkpoint name
	LRScale float64
}

// Tokens returns how many tokens one step reads.
func (p Phase) Tokens() int { return p.B * p.T * p.Accumulate }

// Fill puts rows of the training stream, from row on, into b. Weights are 1
// where the token counts and 0 where it is masked.
type Fill func(row int64, b *layers.Batch) error

// Position is where a Trainer stands; with the weights and the optimizer's
// moments it is all that a checkpoint needs to go on to the same bits.
type Position struct {
	Step    int     `json:"step"`     // of the phase, taken so far
	Row     int64   `json:"row"`      // the next row of the training stream
	Updates int     `json:"updates"`  // of the optimizer
	Skip    []int64 `json:"skip"`     // first rows of micro-batches whose loss or gradient was not finite
	Skipped int     `json:"skipped"`  // steps without an update, in this phase
	InARow  int     `json:"in_a_row"` // of those, the latest without a good one between
}

// Metrics is what one step reports; it holds no wall-clock time, so that a
// rerun writes the same bytes.
type Metrics struct {
	Loss     float64   `json:"loss"`
	Terms    []float64 `json:"terms"`
	GradNorm float64   `json:"grad_norm"` // before clipping
	LR       float64   `json:"lr"`
}

// Trainer runs one phase, step by step.
type Trainer struct {
	Position
	Phase   Phase
	student *layers.Model
	opt     *layers.AdamW
	step    *layers.Step
	targets *targetSource // nil: the step runs the teacher
	fill    Fill
	micro   []*layers.Batch // host copies of one step's micro-batches
	terms   []float64
}

// NewTrainer prepares a phase. Parameters that train get memory of their own;
// the rest stays shared with the teacher.
func NewTrainer(p *layers.Pool, teacher, student *layers.Model, ph Phase, fill Fill, at Position) (*Trainer, error) {
	t := &Trainer{Position: at, Phase: ph, student: student, fill: fill, terms: make([]float64, 0, len(ph.Objective))}
	student.Own(func(q *layers.Param) bool { return ph.trains(q) && sharedWith(teacher, q) })
	t.opt = layers.NewAdamW(p, ph.AdamW, ph.trainable(student))
	t.opt.Steps = at.Updates
	b := student.Batch(ph.B, ph.T)
	t.micro = microBatches(ph, student)
	c := layers.StepConfig{Student: student, Batch: b, Objective: ph.Objective, Grad: t.opt.Grad, Recompute: ph.Recompute}
	if ph.Objective.NeedsTeacher() {
		c.Teacher = teacher
	}
	var err error
	if ph.Targets.serves(ph.Objective) {
		if t.targets, err = ph.Targets.source(p, b, ph.Objective); err != nil {
			return nil, fmt.Errorf("phase %s: %w", ph.Name, err)
		}
		c.Targets = t.targets.Targets
	}
	if t.step, err = layers.NewStep(p, c); err != nil {
		return nil, fmt.Errorf("phase %s: %w", ph.Name, err)
	}
	return t, nil
}

// Done reports whether every step of the phase has been taken.
func (t *Trainer) Done() bool { return t.Step >= t.Phase.Schedule.Steps }

// Train takes one step: fetch, teacher, student, loss, gradients, clip, finite?,
// update. A loss or gradient that is not finite never reaches the weights: the
// step is skipped and remembered, and *NonFinite comes back with the metrics.
func (t *Trainer) Train() (Metrics, error) {
	m := Metrics{LR: t.Phase.Schedule.At(t.Step)}
	rows, err := t.fetch(t.fill, t.micro)
	if err != nil {
		return m, err
	}
	t.opt.ZeroGrad()
	for _, b := range t.micro {
		t.step.Batch.CopyFrom(b)
		if t.targets != nil {
			if err := t.targets.fill(nil); err != nil {
				return m, err
			}
		}
		if err := t.step.Run(); err != nil {
			return m, err
		}
		m.Loss += t.step.Loss()
		t.terms = t.step.Terms(t.terms)
		m.Terms = addTo(m.Terms, t.terms)
	}
	m.GradNorm = t.opt.GradNorm()
	t.Step++
	if !finite(m.Loss) || !finite(m.GradNorm) {
		t.Skip = append(t.Skip, rows...)
		t.Skipped++
		t.InARow++
		return m, &NonFinite{Phase: t.Phase.Name, Step: t.Step, Loss: m.Loss, GradNorm: m.GradNorm, Tensor: t.badTensor(), InARow: t.InARow}
	}
	if m.GradNorm == 0 {
		return m, fmt.Errorf("phase %s step %d: %w (hint: check phases' trainable and objective)", t.Phase.Name, t.Step, errNoGradient)
	}
	if t.Step == 1 && t.Phase.silent(m.Terms) {
		return m, fmt.Errorf("phase %s step %d: the student equals the teacher in every distillation term, so that only the labels teach: %w (hint: check student.mixer.init and phases' trainable)",
			t.Phase.Name, t.Step, errNoGradient)
	}
	t.InARow = 0
	t.opt.Step(m.LR, m.GradNorm, t.Phase.MaxNorm)
	t.Updates = t.opt.Steps
	return m, nil
}

// microBatches returns the batches that one step of ph reads.
func microBatches(ph Phase, m *layers.Model) (bs []*layers.Batch) {
	for range ph.Accumulate {
		bs = append(bs, m.Batch(ph.B, ph.T))
	}
	return bs
}

// fetch fills one step's micro-batches, jumping over those on the skip list, and
// shares the loss evenly among all of the step's unmasked tokens. It returns
// the first row of each.
func (p *Position) fetch(fill Fill, micro []*layers.Batch) (rows []int64, err error) {
	counted := 0.0
	for _, b := range micro {
		for slices.Contains(p.Skip, p.Row) {
			p.Row += int64(b.B)
		}
		if err := fill(p.Row, b); err != nil {
			return nil, fmt.Errorf("training row %d: %w", p.Row, err)
		}
		rows = append(rows, p.Row)
		p.Row += int64(b.B)
		counted += b.TotalWeight()
	}
	if counted == 0 {
		return nil, fmt.Errorf("training row %d: every token is masked (hint: data.loss_on: all, or a longer sequence_len)", rows[0])
	}
	for _, b := range micro {
		b.ScaleWeight(1 / counted)
	}
	return rows, nil
}

// NonFinite is a step whose loss or gradient was NaN or infinite.
type NonFinite struct {
	Phase          string
	Step, InARow   int
	Loss, GradNorm float64
	Tensor         string // the first gradient that is not finite
}

func (e *NonFinite) Error() string {
	return fmt.Sprintf("phase %s step %d: loss %g, gradient norm %g, first bad gradient %s: the step was skipped", e.Phase, e.Step, e.Loss, e.GradNorm, e.Tensor)
}

// errNoGradient is a step that would do nothing.
var errNoGradient = errors.New("every gradient is zero: the objective does not move what trains")

// silent reports whether the phase distils and no term of that moves anything: a
// divergence or distance of exactly 0 has no gradient.
func (p Phase) silent(terms []float64) bool {
	distils, moves := false, false
	for i, t := range p.Objective {
		if t.Type != layers.CrossEntropy {
			distils = true
			moves = moves || t.Weight*terms[i] != 0
		}
	}
	return distils && !moves
}

// isNonFinite returns the NonFinite in err, nil if there is none.
func isNonFinite(err error) *NonFinite {
	var n *NonFinite
	if errors.As(err, &n) {
		return n
	}
	return nil
}

func (t *Trainer) badTensor() string {
	for _, g := range t.opt.Gradients(t.student.Params()) {
		c := tensor.New(tensor.F64, g.Value.Shape()...)
		c.CopyFrom(g.Value)
		for _, v := range tensor.Data[float64](c) {
			if !finite(v) {
				return g.Name
			}
		}
	}
	return "none"
}

// Optimizer returns the moments for a checkpoint, sharing their memory.
func (t *Trainer) Optimizer() []layers.Named { return t.opt.State() }

// Memory returns the bytes of activations, and of gradients and moments.
func (t *Trainer) Memory() (activations, optimizer int) {
	for _, s := range t.opt.State() {
		optimizer += s.Value.Bytes()
	}
	activations = t.step.Memory().Planned
	if t.targets != nil && t.targets.pass != nil {
		activations += t.targets.pass.Memory()
	}
	return activations, optimizer * 3 / 2 // m, v and the gradient
}

// nodes returns the number of nodes of all graphs.
func (t *Trainer) nodes() int {
	n := t.step.Nodes()
	if t.targets != nil && t.targets.pass != nil {
		n += t.targets.pass.Nodes()
	}
	return n
}

// Close lets go of the graphs.
func (t *Trainer) Close() {
	t.targets.Close()
	t.step.Close()
}

// trains reports whether any part of q trains in this phase.
func (p Phase) trains(q *layers.Param) bool {
	for _, n := range q.Named() {
		if p.scale(n.Name) > 0 {
			return true
		}
	}
	return false
}

// scale returns the learning-rate factor of a weight: the first group that
// matches, 0 for none.
func (p Phase) scale(name string) float64 {
	for _, g := range p.Trainable {
		if g.Match(name) {
			return g.LRScale
		}
	}
	return 0
}

func (p Phase) trainable(m *layers.Model) (ts []layers.Trainable) {
	for _, q := range m.Params() {
		if !p.trains(q) {
			continue
		}
		t := layers.Trainable{Param: q}
		for _, n := range q.Named() {
			t.Parts = append(t.Parts, p.scale(n.Name))
		}
		ts = append(ts, t)
	}
	return ts
}

// sharedWith reports whether q's memory belongs to the teacher too.
func sharedWith(teacher *layers.Model, q *layers.Param) bool {
	if teacher == nil {
		return false
	}
	for _, p := range teacher.Params() {
		if tensor.SharesMemory(p.Value, q.Value) {
			return true
		}
	}
	return false
}

func addTo(sum, x []float64) []float64 {
	if sum == nil {
		sum = make([]float64, len(x))
	}
	for i, v := range x {
		sum[i] += v
	}
	return sum
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
