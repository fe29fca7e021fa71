package distill

import (
	"fmt"
	"slices"
	"testing"

	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// The probes of a cohort must see what each would see alone: same losses, same
// weights, to the last bit, above an all-attention student and a mixed one, with
// kept targets and without, divided by probes (four on two threads) and not.
func TestACohortOfProbesEqualsProbesAlone(t *testing.T) {
	const inside = "objective=[reverse_kl, {type: hidden, weight: 0.5}]"
	for _, c := range []struct {
		mamba []int
		set   []string
	}{
		{nil, nil}, {[]int{2}, nil}, {nil, []string{inside}}, {[]int{2}, []string{inside}},
		{nil, []string{"teacher.cache.targets=hidden", "threads=3"}}, {[]int{2}, []string{"teacher.cache.targets=hidden"}},
		{nil, []string{"teacher.cache={targets: topk, k: 16}"}},
	} {
		probesAgree(t, c.mamba, c.set)
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
	pool := layers.NewPool(max(2, r.Threads))
	defer pool.Close()
	s := &scorer{pool: pool, recipe: r, teacher: teacher.Model, stream: newStream(r, teacher.Tokenizer)}
	if kept := r.Teacher.Cache; kept != nil {
		kept.Path = t.TempDir()
	}
	if s.targets, err = OpenTargets(r.Teacher.Cache, teacher.Model, func(line string) { t.Error(line) }); err != nil {
		t.Fatal(err)
	}
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

// TestAScoringByMMREqualsItsRunsOnTheirOwn, as their user would start them, and the
// second one needs no teacher.
func TestAScoringByMMREqualsItsRunsOnTheirOwn(t *testing.T) {
	x := newScoring(t, "train.per_device_train_batch_size=2", "data.sequence_len=48", `data.train=["task:recall"]`,
		"student.mixer.fit.sequences=4", "importance={method: mmr, steps: 5}", "teacher.cache.path="+t.TempDir())
	want, err := x.alone()
	if err != nil {
		t.Fatal(err)
	}
	for _, again := range []bool{false, true} {
		targets, err := OpenTargets(x.recipe.Teacher.Cache, x.teacher.Model, x.never(t))
		if err != nil {
			t.Fatal(err)
		}
		got, err := x.together(targets)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range got.Layers {
			if l.Value != want[l.Layer] || l.Value == 0 {
				t.Errorf("layer %d scores %v, a run of its own %v", l.Layer, l.Value, want[l.Layer])
			}
		}
		if n := int64(5 * 2); targets.Found+targets.Computed != n || (targets.Computed == 0) != again {
			t.Errorf("again %v: %d sequences found, %d computed, want %d of one kind", again, targets.Found, targets.Computed, n)
		}
	}
}

// TestARaceOfProbesRanksAsRunsOnTheirOwn, for less, and who trained to the end has
// the same score.
func TestARaceOfProbesRanksAsRunsOnTheirOwn(t *testing.T) {
	set := []string{"train.per_device_train_batch_size=2", "data.sequence_len=48", `data.train=["task:recall"]`, "student.mixer.fit.sequences=4"}
	all := newScoring(t, append(set, "importance={method: mmr, steps: 32}")...)
	want, err := all.together(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := newScoring(t, append(set, "importance={method: mmr, steps: 32, stop: racing}")...).together(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Order(), want.Order()) {
		t.Errorf("order %v, without a race %v", got.Order(), want.Order())
	}
	steps := 0
	for i, l := range got.Layers {
		steps += l.Steps
		if (l.Value == want.Layers[i].Value) != (l.Steps == 32) {
			t.Errorf("layer %d scores %v after %d steps, without a race %v", l.Layer, l.Value, l.Steps, want.Layers[i].Value)
		}
	}
	if n := int64(steps) * all.recipe.Train.TokensPerStep(); got.Tokens != n || n >= want.Tokens {
		t.Errorf("%d tokens in %d steps, without a race %d", got.Tokens, steps, want.Tokens)
	}
}

// scoring is what scores by mmr, in the two ways that are compared.
type scoring struct {
	recipe  *recipes.Recipe
	teacher *Loaded
	pool    *layers.Pool
}

func newScoring(t testing.TB, set ...string) *scoring {
	t.Helper()
	r, err := recipes.Load("quickstart", set, nil)
	if err != nil {
		t.Fatal(err)
	}
	teacher, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	x := &scoring{r, teacher, layers.NewPool(2)}
	t.Cleanup(x.pool.Close)
	return x
}

func (x *scoring) never(t *testing.T) func(string) {
	return func(line string) { t.Errorf("there was a note: %s", line) }
}

// scorer is one that has read and computed nothing.
func (x *scoring) scorer() *scorer {
	return &scorer{pool: x.pool, recipe: x.recipe, teacher: x.teacher.Model, stream: newStream(x.recipe, x.teacher.Tokenizer), progress: Quiet{}}
}

// alone scores every layer by a run of its own: data, calibration, swap and steps
// with a teacher's pass and a whole student's each, and nothing in common.
func (x *scoring) alone() (scores []float64, err error) {
	m := x.recipe.Importance
	for l := range x.teacher.Model.Blocks {
		s, student := x.scorer(), x.teacher.Model.Share()
		cal, err := s.calibrate()
		if err != nil {
			return nil, err
		}
		if _, err := Swap(x.pool, student, l, mixerSpec(x.recipe.Student.Mixer), x.recipe.Seed, cal); err != nil {
			return nil, err
		}
		tr, err := s.start(m, m.Steps)(student, []int{l})
		if err != nil {
			return nil, err
		}
		losses, err := tr.Train(m.Steps)
		tr.Close()
		if err != nil {
			return nil, err
		}
		n, sum := max(1, len(losses)/5), 0.0
		for _, v := range losses[len(losses)-n:] {
			sum += v
		}
		scores = append(scores, sum/float64(n))
	}
	return scores, nil
}

// together is the scorer that runs use.
func (x *scoring) together(targets *TargetCache) (importance.Scores, error) {
	s := x.scorer()
	s.targets = targets
	return s.score(x.recipe.Importance, x.teacher.Model.Share())
}

// BenchmarkProbes scores all layers of the embedded teacher by mmr, on the
// quickstart's data and at its sizes: by runs of their own, together, and together
// with those that stop early. It reports how many of the steps were taken.
func BenchmarkProbes(b *testing.B) {
	for _, steps := range []string{"16", "100"} {
		x := newScoring(b, "importance={method: mmr, steps: "+steps+"}")
		b.Run(steps+"/alone", func(b *testing.B) {
			for b.Loop() {
				if _, err := x.alone(); err != nil {
					b.Fatal(err)
				}
			}
		})
		for _, stop := range []importance.Stop{importance.AtTheEnd, importance.Racing, importance.Halving} {
			x := newScoring(b, fmt.Sprintf("importance={method: mmr, steps: %s, stop: %s}", steps, stop))
			b.Run(fmt.Sprintf("%s/together/%s", steps, stop), func(b *testing.B) {
				for b.Loop() {
					s, err := x.together(nil)
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(float64(s.Tokens)/float64(x.recipe.Train.TokensPerStep()), "probe-steps/op")
					b.Logf("order %v", s.Order())
				}
			})
		}
	}
}
