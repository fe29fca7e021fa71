package distill

import (
	"slices"
	"testing"

	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// The probes of a cohort must see what each would see alone: same losses, same
// weights, to the last bit, above an all-attention student and a mixed one.
func TestACohortOfProbesEqualsProbesAlone(t *testing.T) {
	for _, mamba := range [][]int{nil, {2}} {
		for _, set := range [][]string{nil, {"objective=[reverse_kl, {type: hidden, weight: 0.5}]"}} {
			probesAgree(t, mamba, set)
		}
	}
}

func probesAgree(t *testing.T, mamba []int, set []string) {
	t.Helper()
	r, err := recipes.Load("quickstart", append(set, "train.per_device_train_batch_size=2", "train.gradient_accumulation_steps=2",
		"data.sequence_len=48", `data.train=["task:recall"]`, "student.mixer.init=mil"), nil)
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	pool := layers.NewPool(2)
	defer pool.Close()
	s := &scorer{pool: pool, recipe: r, teacher: teacher.Model, stream: newStream(r, teacher.Tokenizer)}
	spec := mixerSpec(r.Student.Mixer)
	student := teacher.Model.Share()
	for _, l := range mamba {
		if _, err := Swap(pool, student, l, spec, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	ls := []int{0, 1, 3, 7}
	probes := func() (ms []*layers.Model) {
		for _, l := range ls {
			m := student.Share()
			if _, err := Swap(pool, m, l, spec, 1, nil); err != nil {
				t.Fatal(err)
			}
			ms = append(ms, m)
		}
		return ms
	}
	m := recipes.Importance{Method: "mmr", Steps: 4, LearningRate: 1e-3}
	together, alone := probes(), probes()
	c := newCohort(pool, teacher.Model, student, s.probePhase(m, m.Steps), s.stream.train(probeRows), together, ls)
	first, err := c.Train([]int{0, 1, 2, 3}, 2, func() {})
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.Train([]int{1, 3}, 2, func() {})
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range ls {
		steps, got := 2, first[i]
		if k := slices.Index([]int{1, 3}, i); k >= 0 {
			steps, got = 4, append(got, second[k]...)
		}
		tr, err := s.start(m, m.Steps)(alone[i], []int{l})
		if err != nil {
			t.Fatal(err)
		}
		want, err := tr.Train(steps)
		tr.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got, want) || want[0] == 0 || want[0] == want[1] {
			t.Errorf("layer %d after %v: losses %v together, %v alone", l, mamba, got, want)
		}
		for j, p := range together[i].Params() {
			if !tensor.Equal(p.Value, alone[i].Params()[j].Value) {
				t.Errorf("layer %d after %v: %s differs", l, mamba, p.Name)
			}
		}
	}
	if want := int64(4*2+2*2) * int64(s.probePhase(m, 4).Tokens()); c.Tokens() != want {
		t.Errorf("%d tokens, want %d", c.Tokens(), want)
	}
}

// BenchmarkProbes scores all layers of the embedded teacher by mmr, 16 steps at
// the quickstart's sizes: each probe alone, together, and together with halving.
func BenchmarkProbes(b *testing.B) {
	r, err := recipes.Load("quickstart", []string{`data.train=["task:recall"]`, "student.mixer.init=mil"}, nil)
	if err != nil {
		b.Fatal(err)
	}
	teacher, err := LoadModel("embedded:teacher")
	if err != nil {
		b.Fatal(err)
	}
	pool := layers.NewPool(2)
	defer pool.Close()
	s := &scorer{pool: pool, recipe: r, teacher: teacher.Model, stream: newStream(r, teacher.Tokenizer)}
	m := recipes.Importance{Method: "mmr", Steps: 16, LearningRate: 1e-3}
	ls := []int{0, 1, 2, 3, 4, 5, 6, 7}
	replace := func(x *layers.Model, l int) error {
		_, err := Swap(pool, x, l, mixerSpec(r.Student.Mixer), 1, nil)
		return err
	}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			for _, l := range ls {
				x := teacher.Model.Share()
				if err := replace(x, l); err != nil {
					b.Fatal(err)
				}
				tr, err := s.start(m, m.Steps)(x, []int{l})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := tr.Train(m.Steps); err != nil {
					b.Fatal(err)
				}
				tr.Close()
			}
		}
	})
	for _, halving := range []bool{false, true} {
		b.Run(map[bool]string{false: "together", true: "halving"}[halving], func(b *testing.B) {
			for b.Loop() {
				p := importance.Probe{Pool: pool, Teacher: teacher.Model, Student: teacher.Model.Share(), Layers: ls}
				if _, err := importance.MMR(p, replace, s.gather(m, p.Student), m.Steps, halving); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
