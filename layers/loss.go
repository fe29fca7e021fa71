package layers

import (
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// TermType is one kind of training signal.
type TermType string

// The terms of an objective. p is the teacher, q the student, both divided by
// the temperature τ before the softmax and the loss multiplied by τ².
const (
	ReverseKL    TermType = "reverse_kl"    // Σ q·log(q/p): mode seeking; Apriel-H1's choice
	ForwardKL    TermType = "forward_kl"    // Σ p·log(p/q)
	JSD          TermType = "jsd"           // β·KL(p‖m) + (1-β)·KL(q‖m), m = β·p + (1-β)·q
	CrossEntropy TermType = "cross_entropy" // -log q[label]
	HiddenState  TermType = "hidden"        // between the outputs of each block
	MixerOutput  TermType = "mixer"         // between mixers given the teacher's inputs
)

// Term is one weighted part of an objective.
type Term struct {
	Type        TermType
	Weight      float64
	Temperature float64 // of the divergences; 0 means 1
	Beta        float64 // of jsd
	Cosine      bool    // hidden and mixer: 1 - cos instead of the mean square
	Layers      []int   // hidden and mixer: which; nil means all (mixer: all Mamba layers)
}

// onLogits reports whether the term compares distributions over tokens.
func (t Term) onLogits() bool { return t.Type != HiddenState && t.Type != MixerOutput }

// Objective is a weighted sum of terms, each a mean over unmasked tokens.
type Objective []Term

// NeedsTeacher reports whether any term looks at the teacher.
func (o Objective) NeedsTeacher() bool {
	for _, t := range o {
		if t.Type != CrossEntropy {
			return true
		}
	}
	return false
}

// LogitsOnly reports whether every term compares distributions over tokens, so
// that of each model the last hidden state is enough.
func (o Objective) LogitsOnly() bool { return !o.has(HiddenState, MixerOutput) }

func (o Objective) onLogits() (terms []kernel.Term) {
	kinds := map[TermType]kernel.LossKind{
		ReverseKL: kernel.ReverseKL, ForwardKL: kernel.ForwardKL, JSD: kernel.JSD, CrossEntropy: kernel.CrossEntropy,
	}
	for _, t := range o {
		if !t.onLogits() {
			continue
		}
		tau := t.Temperature
		if tau == 0 {
			tau = 1
		}
		terms = append(terms, kernel.Term{Kind: kinds[t.Type], Weight: t.Weight, Temperature: tau, Beta: t.Beta})
	}
	return terms
}

// onHidden reports whether any term of the type is in the objective.
func (o Objective) has(types ...TermType) bool {
	for _, t := range o {
		for _, w := range types {
			if t.Type == w {
				return true
			}
		}
	}
	return false
}

// headLoss is the last product and the losses on logits in one kernel: logits
// exist for a few rows at a time, never as [N,V].
type headLoss interface {
	autodiff.Kernel
	TermSums() []float64
	Statistics() kernel.RowStatistics
}

// head adds the loss over logits: final [N,D] is the student's last hidden
// state; targets and their teacher are nil when no term needs them.
func (f *Forward) head(o Objective, final *G.Node, head *Param, targets *Targets, teacher *Model, stats bool) (*G.Node, headLoss) {
	v, d := head.Value.Dim(0), head.Value.Dim(1)
	size := kernel.HeadLossSize{N: f.rows(), D: d, V: v}
	opt := kernel.HeadLossOptions{Grad: f.trains(), GradHead: f.Grad != nil && f.Grad(head) != nil, Stats: stats}
	in := []*G.Node{final, f.param(head)}
	if targets != nil {
		if tv := teacher.Head.Value.Dim(0); tv != v {
			panic(fmt.Sprintf("layers: head: the student has %d tokens, the teacher %d", v, tv))
		}
		opt.NeedTeacher, opt.Top, size.TeacherD = true, targets.Top, teacher.Head.Value.Dim(1)
		in = append(in, f.targets(o, targets, teacher)...)
	}
	in = append(in, f.Input("labels", f.Batch.Labels), f.weight())
	var k headLoss
	if f.f64() {
		k = kernel.NewHeadLoss[float64](f.Pool(), size, o.onLogits(), opt)
	} else {
		k = kernel.NewHeadLoss[float32](f.Pool(), size, o.onLogits(), opt)
	}
	return f.Apply(k, in...), k
}

// targets adds the two leaves that a head loss takes of a teacher.
func (f *Forward) targets(o Objective, t *Targets, teacher *Model) []*G.Node {
	if t.Top > 0 {
		if want := kernel.Temperatures(o.onLogits()); !slices.Equal(want, t.Temperatures) {
			panic(fmt.Sprintf("layers: head: the objective has temperatures %v, the targets are of %v", want, t.Temperatures))
		}
		return []*G.Node{f.Input("teacher.top_ids", t.IDs), f.Input("teacher.top_values", t.Values)}
	}
	w := f.params[teacher.Head] // the student's own when it shares the teacher's head
	if w == nil {
		w = f.Input("teacher."+teacher.Head.Name, teacher.Head.Value)
	}
	return []*G.Node{f.Input("teacher.final", t.Final), w}
}

// weight returns the leaf of the tokens' weights.
func (f *Forward) weight() *G.Node {
	if f.weights == nil {
		f.weights = f.Input("weight", f.Batch.Weight)
	}
	return f.weights
}

// distance adds Σ_n weight[n]·distance(x[n], target[n]).
func (f *Forward) distance(x, target *G.Node, cosine bool) *G.Node {
	kind := kernel.MSE
	if cosine {
		kind = kernel.Cosine
	}
	n, d := f.rows(), f.model.Config.HiddenSize
	if f.f64() {
		return f.Apply(kernel.NewHidden[float64](f.Pool(), n, d, kind), x, target, f.weight())
	}
	return f.Apply(kernel.NewHidden[float32](f.Pool(), n, d, kind), x, target, f.weight())
}

// sumScalars adds Σ w_i·s_i.
func (f *Forward) sumScalars(weights []float64, s []*G.Node) *G.Node {
	if f.f64() {
		return f.Apply(kernel.NewSumScalars[float64](len(s), weights), s...)
	}
	return f.Apply(kernel.NewSumScalars[float32](len(s), weights), s...)
}

// scalar reads a scalar tensor of either floating type.
func scalar(t *tensor.Tensor) float64 {
	if t.DType() == tensor.F64 {
		return tensor.Data[float64](t)[0]
	}
	return float64(tensor.Data[float32](t)[0])
}
