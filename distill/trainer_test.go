package distill

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// TestAccumulatingEqualsABatchAsManyTimesLarger, though the micro-batches have
// unequal numbers of unmasked tokens: a mean of means would differ.
func TestAccumulatingEqualsABatchAsManyTimesLarger(t *testing.T) {
	uneven := randomRows(func(row int64, j int) bool { return j%2 == 0 && j >= int(row)%6*2 })
	for _, c := range []struct {
		dtype     tensor.DType
		tolerance float64 // float64: rounding of sums; float32: the same, through AdamW's division
	}{{tensor.F64, 1e-10}, {tensor.F32, 2e-3}} {
		run := func(b, k int) (losses, norms []float64, w map[string][]float64) {
			teacher := small(t, "aa", c.dtype, nil)
			student := hybrid(t, teacher, milMamba2, 1)
			ph := smallPhase("all", nil, layers.Term{Type: layers.ReverseKL, Weight: 1}, layers.Term{Type: layers.CrossEntropy, Weight: 0.3},
				layers.Term{Type: layers.HiddenState, Weight: 0.1})
			ph.B, ph.Accumulate, ph.AdamW.Epsilon = b, k, 1e-4
			tr := trainer(t, teacher, student, ph, uneven)
			for range 3 {
				m, err := tr.Train()
				if err != nil {
					t.Fatal(err)
				}
				losses, norms = append(losses, m.Loss), append(norms, m.GradNorm)
			}
			if tr.Row != int64(3*b*k) || tr.Step != 3 || tr.Updates != 3 {
				t.Errorf("it stands at %+v", tr.Position)
			}
			return losses, norms, snapshot(student)
		}
		losses, norms, w := run(6, 1)
		losses3, norms3, w3 := run(2, 3)
		if d := max(relative(losses3, losses), relative(norms3, norms)); !(d < c.tolerance) {
			t.Errorf("%v: losses %v and norms %v, at once %v and %v", c.dtype, losses3, norms3, losses, norms)
		}
		for name := range w {
			if d := relative(w3[name], w[name]); !(d < c.tolerance) {
				t.Errorf("%v: %s differs by %g of its norm", c.dtype, name, d)
			}
		}
	}
}

// softmax returns log-probabilities of a row of logits over τ.
func softmax(logits []float64, tau float64) []float64 {
	z, top := 0.0, slices.Max(logits)/tau
	for _, x := range logits {
		z += math.Exp(x/tau - top)
	}
	out := make([]float64, len(logits))
	for i, x := range logits {
		out[i] = x/tau - top - math.Log(z)
	}
	return out
}

func divergence(p, q []float64) (d float64) { // of log-probabilities
	for i := range p {
		d += math.Exp(p[i]) * (p[i] - q[i])
	}
	return d
}

// TestTheLossIsTheMeanOverUnmaskedTokensTimesTauSquared against the formulas in
// float64: mask, temperature on both sides and its square.
func TestTheLossIsTheMeanOverUnmaskedTokensTimesTauSquared(t *testing.T) {
	counts := func(row int64, j int) bool { return (int(row)+j)%3 == 0 }
	fill := randomRows(counts)
	teacher := small(t, "aa", tensor.F64, nil)
	for _, c := range []struct {
		term layers.Term
		of   func(p, q []float64, label int32) float64 // logits
	}{
		{layers.Term{Type: layers.ReverseKL}, func(p, q []float64, _ int32) float64 { return divergence(softmax(q, 1), softmax(p, 1)) }},
		{layers.Term{Type: layers.ReverseKL, Temperature: 2}, func(p, q []float64, _ int32) float64 { return 4 * divergence(softmax(q, 2), softmax(p, 2)) }},
		{layers.Term{Type: layers.ForwardKL, Temperature: 3}, func(p, q []float64, _ int32) float64 { return 9 * divergence(softmax(p, 3), softmax(q, 3)) }},
		{layers.Term{Type: layers.JSD, Temperature: 1.5, Beta: 0.3}, func(p, q []float64, _ int32) float64 {
			lp, lq := softmax(p, 1.5), softmax(q, 1.5)
			mix := make([]float64, len(lp))
			for i := range mix {
				mix[i] = math.Log(0.3*math.Exp(lp[i]) + 0.7*math.Exp(lq[i]))
			}
			return 2.25 * (0.3*divergence(lp, mix) + 0.7*divergence(lq, mix))
		}},
		{layers.Term{Type: layers.CrossEntropy}, func(_, q []float64, label int32) float64 { return -softmax(q, 1)[label] }},
	} {
		student := hybrid(t, teacher, milMamba2, 0)
		b := layers.NewBatch(2, 12, tensor.F64)
		if err := fill(0, b); err != nil {
			t.Fatal(err)
		}
		p, err := layers.Logits(nil, teacher, b)
		q, err2 := layers.Logits(nil, student, b)
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		want, n := 0.0, 0.0
		for i := range b.B * b.T {
			if counts(int64(i/b.T), i%b.T) {
				row := func(x *tensor.Tensor) []float64 { return numbers(x.Rows(i, i+1)) }
				want += c.of(row(p), row(q), tensor.Data[int32](b.Labels)[i])
				n++
			}
		}
		want /= n
		c.term.Weight = 0.5
		tr := trainer(t, teacher, student, smallPhase("all", nil, c.term), fill)
		m, err := tr.Train()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(m.Loss-want/2) > 1e-10*want || math.Abs(m.Terms[0]-want) > 1e-10*want {
			t.Errorf("%s at τ %g: got the loss %.12g of the term %.12g, want half of %.12g", c.term.Type, c.term.Temperature, m.Loss, m.Terms[0], want)
		}
	}
}

// TestAMaskedTokenMovesNothing: the labels there, and the token itself where no
// later one counts, may be anything.
func TestAMaskedTokenMovesNothing(t *testing.T) {
	run := func(change func(b *layers.Batch)) (Metrics, map[string][]float64) {
		teacher := small(t, "aa", tensor.F32, nil)
		student := hybrid(t, teacher, milMamba2, 1)
		fill := randomRows(func(_ int64, j int) bool { return j < 8 && j != 3 })
		tr := trainer(t, teacher, student, smallPhase("all", nil, layers.Term{Type: layers.ReverseKL, Weight: 1}, layers.Term{Type: layers.CrossEntropy, Weight: 1},
			layers.Term{Type: layers.HiddenState, Weight: 1}, layers.Term{Type: layers.MixerOutput, Weight: 1}), func(row int64, b *layers.Batch) error {
			err := fill(row, b)
			change(b)
			return err
		})
		m, err := tr.Train()
		if err != nil {
			t.Fatal(err)
		}
		return m, snapshot(student)
	}
	m, w := run(func(*layers.Batch) {})
	other, v := run(func(b *layers.Batch) {
		ids, labels := tensor.Data[int32](b.IDs), tensor.Data[int32](b.Labels)
		for i := range b.B {
			labels[i*b.T+3] = 0
			for j := 8; j < b.T; j++ {
				labels[i*b.T+j], ids[i*b.T+j] = -1, 1
			}
		}
	})
	if fmt.Sprint(m) != fmt.Sprint(other) {
		t.Errorf("got %+v, with other masked tokens %+v", m, other)
	}
	for name := range w {
		if !slices.Equal(w[name], v[name]) {
			t.Errorf("%s moved otherwise", name)
		}
	}
}

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
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		const steps = 10
		for range steps {
			step()
		}
		runtime.ReadMemStats(&after)
		return float64(after.TotalAlloc-before.TotalAlloc) / steps, testing.AllocsPerRun(steps, step), 2 * tr.step.Nodes()
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
