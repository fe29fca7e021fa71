package layers

import (
	"math"
	"testing"

	"stillhouse/layers/tensor"
)

// stepOf takes one step of a student's norm and returns loss and gradient.
func stepOf(t *testing.T, p *Pool, c StepConfig, pass *Pass) (loss float64, grad *tensor.Tensor) {
	t.Helper()
	grad = tensor.New(c.Student.Norm.Value.DType(), c.Student.Norm.Value.Shape()...)
	c.Grad = func(q *Param) *tensor.Tensor {
		if q == c.Student.Norm {
			return grad
		}
		return nil
	}
	s, err := NewStep(p, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if c.Targets != nil {
		if err := pass.Run(); err != nil {
			t.Fatal(err)
		}
		c.Targets.Set(c.Teacher, pass.Final())
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	return s.Loss(), grad
}

// divergences is an objective with every kind of term on logits, at two temperatures.
var divergences = Objective{{Type: ReverseKL, Weight: 1}, {Type: ForwardKL, Weight: 0.5, Temperature: 2}, {Type: JSD, Weight: 0.3, Beta: 0.2}, {Type: CrossEntropy, Weight: 0.1}}

func TestStepOnKeptHiddenStatesEqualsTheStepWithTheTeacher(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	teacher, student := tinyModel(t, "aaaa", tensor.F32), tinyModel(t, "a2aa", tensor.F32)
	b := tinyBatch(teacher, 2, 19, true)
	pass, err := NewPass(p, teacher, b)
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	for _, o := range []Objective{divergences[:1], divergences} {
		c := StepConfig{Student: student, Teacher: teacher, Batch: b, Objective: o}
		want, grad := stepOf(t, p, c, nil)
		c.Targets = NewTargets(p, teacher, b, o, 0)
		if got, g := stepOf(t, p, c, pass); got != want || !tensor.Equal(g, grad) || want == 0 {
			t.Errorf("%d terms: loss %v, want %v, or the gradient differs", len(o), got, want)
		}
	}
}

func TestStepOnAllKeptLogitsIsTheStepWithTheTeacher(t *testing.T) {
	teacher, student := tinyModel(t, "aaaa", tensor.F64), tinyModel(t, "a2aa", tensor.F64)
	b := tinyBatch(teacher, 2, 19, true)
	pass, err := NewPass(nil, teacher, b)
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	c := StepConfig{Student: student, Teacher: teacher, Batch: b, Objective: divergences}
	want, grad := stepOf(t, nil, c, nil)
	v := teacher.Config.VocabSize
	last := 0.0
	for _, top := range []int{1, 5, v} {
		c.Targets = NewTargets(nil, teacher, b, divergences, top)
		got, g := stepOf(t, nil, c, pass)
		if !(got > last && got < want*(1+1e-7)) {
			t.Errorf("the loss over the top %d is %v, over fewer %v, over all %v", top, got, last, want)
		}
		last = got
		if top < v {
			continue
		}
		for i, x := range tensor.Data[float64](g) {
			if d := math.Abs(x - tensor.Data[float64](grad)[i]); !(d < 1e-8) {
				t.Errorf("gradient %d is %v, want %v", i, x, tensor.Data[float64](grad)[i])
			}
		}
		if math.Abs(got-want) > 1e-7*want {
			t.Errorf("the loss over all logits is %v, want %v", got, want)
		}
	}
}

// TestASequencesTargetsDependOnItAlone: not on what stands beside it in its batch,
// how much that is, or where. So they may be kept by sequence.
func TestASequencesTargetsDependOnItAlone(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	const T = 37
	for _, layout := range []string{"aaaa", "a2a1"} {
		m := tinyModel(t, layout, tensor.F32)
		all := tinyBatch(m, 7, T, true)
		targets := func(rows ...int) []*Targets {
			b := NewBatch(len(rows), T, tensor.F32)
			for i, r := range rows {
				for _, x := range [][2]*tensor.Tensor{{b.IDs, all.IDs}, {b.Labels, all.Labels}, {b.Weight, all.Weight}} {
					x[0].Rows(i*T, (i+1)*T).CopyFrom(x[1].Rows(r*T, (r+1)*T))
				}
				b.Start.Rows(i, i+1).CopyFrom(all.Start.Rows(r, r+1))
			}
			pass, err := NewPass(p, m, b)
			if err != nil {
				t.Fatal(err)
			}
			defer pass.Close()
			if err := pass.Run(); err != nil {
				t.Fatal(err)
			}
			both := []*Targets{NewTargets(p, m, b, divergences, 0), NewTargets(p, m, b, divergences, 6)}
			for _, x := range both {
				x.Set(m, pass.Final())
			}
			return both
		}
		want := targets(3)
		for _, rows := range [][]int{{3, 1}, {0, 3, 5}, {6, 5, 4, 2, 1, 0, 3}} {
			for k, got := range targets(rows...) {
				for i, r := range rows {
					if r != 3 {
						continue
					}
					for j, x := range got.Tensors() {
						if !tensor.Equal(x.Rows(i*T, (i+1)*T), want[k].Tensors()[j]) {
							t.Errorf("%s: tensor %d of kind %d at place %d of %d differs from alone", layout, j, k, i, len(rows))
						}
					}
				}
			}
		}
	}
}
