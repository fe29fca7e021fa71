package layers

import (
	"fmt"

	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// Trainable is a parameter that trains, with the factor of its learning rate.
// Parts, if not nil, has one factor for each of the parameter's parts instead.
type Trainable struct {
	Param   *Param
	LRScale float64
	Parts   []float64
}

// AdamWConfig holds the settings that do not change during a phase.
type AdamWConfig struct {
	Beta1, Beta2, Epsilon float64
	WeightDecay           float64
	DecayAll              bool // also norms, biases, A_log and skip, which are spared otherwise
}

// AdamW is Adam with decoupled weight decay (Loshchilov & Hutter 2019,
// arXiv:1711.05101) over the parameters that train; gradients are clipped to a
// global norm. State is keyed by parameter and lives in tensors that
// checkpoints save.
type AdamW struct {
	Steps int // taken; the bias correction reads it

	config  AdamWConfig
	grads   map[*Param]*tensor.Tensor
	state   []Named // m and v under "m."+name and "v."+name
	machine optimizer
	clock   *optimizerClock // nil: no times are taken
}

// optimizer is kernel.Optimizer of either floating type.
type optimizer interface {
	GradNorm() float64
	Step(lr, beta1, beta2, eps, gscale float64, t int)
}

// NewAdamW returns an optimizer with zero state and zero gradients. It panics
// when a parameter is given twice.
func NewAdamW(p *Pool, c AdamWConfig, trainable []Trainable) *AdamW {
	a := &AdamW{config: c, grads: map[*Param]*tensor.Tensor{}}
	var s32 []kernel.Slot[float32]
	var s64 []kernel.Slot[float64]
	for _, t := range trainable {
		w := t.Param.Value
		if a.grads[t.Param] != nil {
			panic(fmt.Sprintf("layers: NewAdamW: %s is there twice", t.Param.Name))
		}
		g, m, v := w.Another(w.DType(), w.Shape()...), w.Another(w.DType(), w.Shape()...), w.Another(w.DType(), w.Shape()...)
		a.grads[t.Param] = g
		a.state = append(a.state, Named{"m." + t.Param.Name, m}, Named{"v." + t.Param.Name, v})
		if w.Outlined() {
			continue // to be measured, not to step
		}
		decay := 0.0
		if c.DecayAll || t.Param.Decays() {
			decay = c.WeightDecay
		}
		row := 0
		for i, part := range t.Param.Named() {
			rows, scale := part.Value.Dim(0), t.LRScale
			if t.Parts != nil {
				scale = t.Parts[i]
			}
			if w.DType() == tensor.F64 {
				s64 = append(s64, slot[float64](w, m, v, g, row, rows, scale, decay))
			} else {
				s32 = append(s32, slot[float32](w, m, v, g, row, rows, scale, decay))
			}
			row += rows
		}
	}
	if s64 != nil {
		a.machine = kernel.NewOptimizer(p, s64)
	} else {
		a.machine = kernel.NewOptimizer(p, s32)
	}
	return a
}

func slot[T tensor.Float](w, m, v, g *tensor.Tensor, row, rows int, scale, decay float64) kernel.Slot[T] {
	part := func(t *tensor.Tensor) []T { return tensor.Data[T](t.Rows(row, row+rows)) }
	return kernel.Slot[T]{W: part(w), M: part(m), V: part(v), G: part(g), LRScale: scale, Decay: decay}
}

// Grad returns where p's gradient accumulates, nil when p does not train: the
// function a StepConfig wants.
func (a *AdamW) Grad(p *Param) *tensor.Tensor { return a.grads[p] }

// GradNorm returns the global L2 norm of the gradients; NaN or Inf when any is.
// One that nothing was added to since ZeroGrad is zero.
func (a *AdamW) GradNorm() float64 {
	defer a.clock.start(0).stop()
	for _, g := range a.grads {
		g.Settle()
	}
	return a.machine.GradNorm()
}

// Step clips the gradients, whose norm the caller has from GradNorm, to
// maxNorm (0: no clipping) and takes one step at the learning rate.
func (a *AdamW) Step(lr, norm, maxNorm float64) {
	scale := 1.0
	if maxNorm > 0 {
		scale = kernel.ClipScale(norm, maxNorm)
	}
	a.Steps++
	defer a.clock.start(1).stop()
	a.machine.Step(lr, a.config.Beta1, a.config.Beta2, a.config.Epsilon, scale, a.Steps)
}

// ZeroGrad makes the gradients count as zero: the first to add to one overwrites
// it. A caller that does not go through a Step settles a gradient first.
func (a *AdamW) ZeroGrad() {
	for _, g := range a.grads {
		g.Discard()
	}
}

// State returns the moments under stable names, sharing their memory.
func (a *AdamW) State() []Named { return a.state }

// Gradients returns the gradients of params under their checkpoint names,
// leaving out those that do not train.
func (a *AdamW) Gradients(params []*Param) []Named {
	var n []Named
	for _, p := range params {
		if g := a.grads[p]; g != nil {
			g.Settle()
			q := Param{Name: p.Name, Value: g, Parts: p.Parts}
			n = append(n, q.Named()...)
		}
	}
	return n
}
