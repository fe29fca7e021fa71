package layers

import (
	"testing"

	"stillhouse/layers/tensor"
)

// A probe above a shared pass must be the probe alone, to the last bit.
func TestStepAboveATrunkEqualsTheWholeStep(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	teacher := tinyModel(t, "aaaa", tensor.F32)
	student := tinyModel(t, "a2aa", tensor.F32)
	b := tinyBatch(teacher, 2, 19, true)
	tt, err := NewTrunk(p, teacher, b)
	if err != nil {
		t.Fatal(err)
	}
	defer tt.Close()
	st, err := NewTrunk(p, student, b)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for l := range student.Blocks {
		run := func(c StepConfig) (float64, map[string]*tensor.Tensor) {
			grads := map[string]*tensor.Tensor{}
			mixer := map[*Param]bool{}
			for _, q := range student.Blocks[l].Mixer.Params() {
				mixer[q] = true
			}
			c.Student, c.Teacher, c.Batch, c.Objective = student, teacher, b, Objective{{Type: ReverseKL, Weight: 1, Temperature: 1}}
			c.Grad = func(q *Param) *tensor.Tensor {
				if !mixer[q] {
					return nil
				}
				if grads[q.Name] == nil {
					grads[q.Name] = tensor.New(tensor.F32, q.Value.Shape()...)
				}
				return grads[q.Name]
			}
			s, err := NewStep(p, c)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if c.Targets != nil {
				if err := tt.Run(); err != nil {
					t.Fatal(err)
				}
				if err := st.Run(); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			return s.Loss(), grads
		}
		wantLoss, want := run(StepConfig{})
		gotLoss, got := run(StepConfig{Targets: tt.Targets(), Trunk: st, From: l})
		if gotLoss != wantLoss || wantLoss == 0 {
			t.Errorf("layer %d: loss %v, want %v", l, gotLoss, wantLoss)
		}
		if len(got) == 0 || len(got) != len(want) {
			t.Fatalf("layer %d: %d gradients, want %d", l, len(got), len(want))
		}
		for name, g := range got {
			if !tensor.Equal(g, want[name]) {
				t.Errorf("layer %d: the gradient of %s differs", l, name)
			}
		}
	}
}
