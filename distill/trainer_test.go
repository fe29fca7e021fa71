package distill

import (
	"errors"
	"fmt"
	"math"
	"slices"
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
