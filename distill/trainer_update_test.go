package distill

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// TestALossThatIsNotFiniteNeverReachesAWeight: it is skipped, counted and named,
// its rows are remembered, and the next step is as if it had not been there.
func TestALossThatIsNotFiniteNeverReachesAWeight(t *testing.T) {
	teacher := small(t, "aa", tensor.F32, nil)
	begin := func(bad ...int64) (*Trainer, *layers.Model) {
		student := hybrid(t, teacher, milMamba2, 1)
		ph := smallPhase("new_mixers", []int{1})
		ph.Accumulate = 2
		return trainer(t, teacher, student, ph, poison(bad...)(randomRows(nil))), student
	}
	tr, student := begin(6, 8)
	if _, err := tr.Train(); err != nil {
		t.Fatal(err)
	}
	before, moments := snapshot(student), fmt.Sprint(momentsOf(tr))
	for k := range 2 { // rows 4 6 and 8 10
		_, err := tr.Train()
		bad := isNonFinite(err)
		if bad == nil || bad.InARow != k+1 || bad.Step != k+2 || finite(bad.Loss) {
			t.Fatalf("got %v", err)
		}
		if !strings.HasPrefix(bad.Tensor, "model.layers.1.mamba.") || !strings.Contains(err.Error(), bad.Tensor) {
			t.Errorf("%v does not name a tensor that trains", err)
		}
	}
	if tr.Skipped != 2 || tr.Step != 3 || tr.Updates != 1 || !slices.Equal(tr.Skip, []int64{4, 6, 8, 10}) {
		t.Errorf("it stands at %+v", tr.Position)
	}
	for name, w := range snapshot(student) {
		if !slices.Equal(w, before[name]) {
			t.Errorf("%s has moved", name)
		}
	}
	if fmt.Sprint(momentsOf(tr)) != moments {
		t.Error("the moments have moved")
	}
	if _, err := tr.Train(); err != nil || tr.InARow != 0 || tr.Updates != 2 {
		t.Fatalf("the next step: %v, %+v", err, tr.Position)
	}
	after := snapshot(student)

	clean, student := begin()
	clean.Skip = []int64{4, 6, 8, 10} // the same without the rows
	for range 2 {
		if _, err := clean.Train(); err != nil {
			t.Fatal(err)
		}
	}
	if clean.Row != tr.Row {
		t.Errorf("jumping over the skip list comes to row %d, want %d", clean.Row, tr.Row)
	}
	for name, w := range snapshot(student) {
		if !slices.Equal(w, after[name]) {
			t.Errorf("%s is not what training without the bad rows gives", name)
		}
	}
}

func momentsOf(t *Trainer) (all [][]float64) {
	for _, n := range t.Optimizer() {
		all = append(all, numbers(n.Value))
	}
	return all
}

// TestAGradientThatIsZeroEverywhereIsAnError, also where the labels' gradient
// would hide it, and so is a phase that can have none.
func TestAGradientThatIsZeroEverywhereIsAnError(t *testing.T) {
	teacher := small(t, "aa", tensor.F32, nil)
	kl, labels := layers.Term{Type: layers.ReverseKL, Weight: 1}, layers.Term{Type: layers.CrossEntropy, Weight: 1}
	hidden := layers.Term{Type: layers.HiddenState, Weight: 1}
	for _, c := range []struct {
		name, pattern string
		student       *layers.Model
		objective     layers.Objective
		says          string
	}{
		{"a student that is the teacher", "all", teacher.Share(), layers.Objective{kl}, "does not move what trains"},
		{"the same, with labels", "all", teacher.Share(), layers.Objective{kl, hidden, labels}, "only the labels teach"},
		{"a weight of zero, with labels", "all", hybrid(t, teacher, milMamba2, 1), layers.Objective{{Type: layers.ReverseKL}, labels}, "only the labels teach"},
		{"a hidden term below what trains, with labels", "new_mixers", hybrid(t, teacher, milMamba2, 1),
			layers.Objective{labels, {Type: layers.HiddenState, Weight: 1, Layers: []int{0}}}, "objective 2, hidden, depends on nothing that trains"},
		{"a pattern that matches nothing", "*.typo.*", hybrid(t, teacher, milMamba2, 1), layers.Objective{kl}, "nothing that trains"},
	} {
		ph := smallPhase(c.pattern, []int{1}, c.objective...)
		before := snapshot(c.student)
		tr, err := NewTrainer(nil, teacher, c.student, ph, randomRows(nil), Position{})
		if err == nil {
			_, err = tr.Train()
			tr.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "phase test") {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.says)
		}
		for name, w := range snapshot(c.student) {
			if !slices.Equal(w, before[name]) {
				t.Errorf("%s: %s has moved", c.name, name)
			}
		}
	}
}

func TestAStepWithoutAnUnmaskedTokenIsAnError(t *testing.T) {
	teacher := small(t, "a", tensor.F32, nil)
	tr := trainer(t, teacher, hybrid(t, teacher, milMamba2, 0), smallPhase("all", nil), randomRows(func(int64, int) bool { return false }))
	if _, err := tr.Train(); err == nil || !strings.Contains(err.Error(), "every token is masked") {
		t.Errorf("got %v", err)
	}
}

// TestAFirstStepIsAdamWsFormulaForEveryWeight: with bias correction the first
// moments are the clipped gradient g and g² themselves, so that
//
//	w ← w - lr·s·(λ·w + g/(|g|+ε))
//
// with s the factor of the first group that matches the weight's name, λ 0 for
// norms, biases, A_log, D and Δ's bias, and g scaled by clip/(‖g‖+1e-6), ‖g‖ over
// all that trains.
func TestAFirstStepIsAdamWsFormulaForEveryWeight(t *testing.T) {
	for _, clip := range []float64{0, 0.05, 1e6} {
		teacher := small(t, "aaa", tensor.F64, func(c *layers.Config) { c.Tied, c.QKVBias = false, true })
		student := hybrid(t, teacher, milMamba2, 1)
		if _, err := Swap(nil, student, 2, MixerSpec{Kind: layers.KindMamba1, Init: InitMIL, State: 4}, 1, nil); err != nil {
			t.Fatal(err)
		}
		ph := smallPhase("all", nil)
		ph.MaxNorm, ph.AdamW.WeightDecay, ph.AdamW.Epsilon = clip, 0.2, 1e-3
		ph.Trainable = []Group{{matcher("*A_log", nil, nil), 0.1}, {matcher("*.q_proj.*", nil, nil), 0.5},
			{matcher("mixers", nil, []int{1, 2}), 2}, {matcher("*norm*", nil, nil), 1}, {matcher("lm_head*", nil, nil), 1}}
		tr := trainer(t, teacher, student, ph, randomRows(nil))
		before := snapshot(student)
		m, err := tr.Train()
		if err != nil {
			t.Fatal(err)
		}
		g, norm := map[string][]float64{}, 0.0
		for _, n := range tr.opt.Gradients(student.Params()) {
			g[n.Name] = numbers(n.Value)
			for _, v := range g[n.Name] {
				if ph.scale(n.Name) > 0 {
					norm += v * v
				}
			}
		}
		if norm = math.Sqrt(norm); math.Abs(m.GradNorm-norm) > 1e-10*norm {
			t.Errorf("clip %g: got the norm %v, want %v", clip, m.GradNorm, norm)
		}
		factor := 1.0
		if clip > 0 && norm > clip {
			factor = clip / (norm + 1e-6)
		}
		spared := 0
		for name, w := range snapshot(student) {
			s := ph.scale(name)
			decay := 0.2
			for _, part := range []string{"norm", "bias", "A_log", ".D"} {
				if strings.Contains(name, part) {
					decay = 0
				}
			}
			if decay == 0 {
				spared++
			}
			for i, old := range before[name] {
				want := old
				if s > 0 {
					v := g[name][i] * factor
					want -= 1e-2 * s * (decay*old + v/(math.Abs(v)+1e-3))
				}
				if math.Abs(w[i]-want) > 1e-12 {
					t.Fatalf("clip %g: %s[%d] went from %v to %v, want %v", clip, name, i, old, w[i], want)
				}
			}
		}
		if spared < 12 {
			t.Errorf("only %d weights without decay were seen", spared)
		}
	}
}

// TestTrainAllocatesNothingThatGrowsWithTheTensors: the machine takes about 130
// bytes a node, whatever the sizes.
func TestTrainAllocatesNothingThatGrowsWithTheTensors(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	measure := func(width, b, tokens int) (bytes, count float64, nodes int) {
		teacher := small(t, "aaa", tensor.F32, func(c *layers.Config) { c.HiddenSize, c.Intermediate = width, 2*width })
		student := hybrid(t, teacher, milMamba2, 1)
		ph := smallPhase("all", nil, layers.Term{Type: layers.ReverseKL, Weight: 1}, layers.Term{Type: layers.CrossEntropy, Weight: 1})
		ph.B, ph.T, ph.Accumulate, ph.MaxNorm = b, tokens, 2, 1
		batch := layers.NewBatch(b, tokens, tensor.F32)
		if err := randomRows(nil)(0, batch); err != nil {
			t.Fatal(err)
		}
		tr := trainer(t, teacher, student, ph, func(_ int64, x *layers.Batch) error { x.CopyFrom(batch); return nil })
		step := func() {
			if _, err := tr.Train(); err != nil {
				t.Fatal(err)
			}
		}
		step()
		const steps = 10
		bytes = math.Inf(1)
		for range 5 { // the least: a garbage collection empties pools, which fill again
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range steps {
				step()
			}
			runtime.ReadMemStats(&after)
			bytes = min(bytes, float64(after.TotalAlloc-before.TotalAlloc)/steps)
		}
		return bytes, testing.AllocsPerRun(steps, step), 2 * tr.step.Nodes()
	}
	bytes, count, nodes := measure(16, 2, 12)
	large, countLarge, _ := measure(64, 4, 96)
	t.Logf("%.0f bytes in %.0f allocations a step of %d node runs; %.0f in %.0f with tensors up to 64 times larger", bytes, count, nodes, large, countLarge)
	if limit := 200 * float64(nodes); bytes > limit || large > limit {
		t.Errorf("%.0f and %.0f bytes a step, want at most 200 a node, %.0f", bytes, large, limit)
	}
	if countLarge > count+2 || large > bytes+2048 {
		t.Errorf("a step of larger tensors allocates %.0f bytes in %v, of small ones %.0f in %v", large, countLarge, bytes, count)
	}
}

// TestAProbeOfALayerThatDoesNothingIsNoError: the transferred mixer is the layer
// from its first step, without a gradient, and ranks most replaceable.
func TestAProbeOfALayerThatDoesNothingIsNoError(t *testing.T) {
	teacher := small(t, "aa", tensor.F32, nil)
	teacher.Blocks[1].Mixer.(*layers.Attention).O.Value.Zero()
	var models []*layers.Model
	for l := range 2 {
		models = append(models, hybrid(t, teacher, milMamba2, l))
	}
	c := newCohort(nil, teacher, teacher.Share(), smallPhase("all", nil), randomRows(nil), models, []int{0, 1})
	together, err := c.Train([]int{0, 1}, 3, func() {})
	if err != nil {
		t.Fatal(err)
	}
	alone, err := (&trial{trainer(t, teacher, hybrid(t, teacher, milMamba2, 1), smallPhase("new_mixers", []int{1}), randomRows(nil))}).Train(3)
	if err != nil {
		t.Fatal(err)
	}
	if zero := []float64{0, 0, 0}; !slices.Equal(alone, zero) || !slices.Equal(together[1], zero) || !(together[0][2] > 0) {
		t.Errorf("the losses are %v together and %v alone", together, alone)
	}
}
