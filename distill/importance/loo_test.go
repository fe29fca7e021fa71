package importance

import (
	"errors"
	"math"
	"slices"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// TestLeavingOutALayerEqualsTheModelWithoutIt, mixer alone and whole block.
func TestLeavingOutALayerEqualsTheModelWithoutIt(t *testing.T) {
	m := random(t, 3, -1, tensor.F64)
	p := probe(m, 2, 10, 2)
	for metric, kind := range map[Metric]layers.TermType{MetricCrossEntropy: layers.CrossEntropy, MetricKL: layers.ForwardKL} {
		for _, block := range []bool{false, true} {
			got, err := LOO(p, metric, block, nil)
			if err != nil {
				t.Fatal(err)
			}
			for l, x := range got.Layers {
				want := 0.0
				for i := range p.Batches {
					want += (loss(t, p, m.Without(l, block), i, kind) - loss(t, p, m, i, kind)) / float64(p.Batches)
				}
				if math.Abs(x.Value-want) > 1e-10*(1+math.Abs(want)) {
					t.Errorf("%s, block %v: layer %d: got %.12g, want %.12g", metric, block, l, x.Value, want)
				}
			}
			if got.Tokens != 2*10*2*4 || !(got.Seconds > 0) {
				t.Errorf("%s: got the cost %d tokens, %v seconds", metric, got.Tokens, got.Seconds)
			}
		}
	}
}

// TestLeavingOutByAccuracyGradesEachModelOnce and takes what is lost.
func TestLeavingOutByAccuracyGradesEachModelOnce(t *testing.T) {
	m := random(t, 3, -1, tensor.F32)
	answers := []float64{0.9, 0.4, 0.9, 0.95} // whole, without 0, 1, 2
	asked := 0
	got, err := LOO(probe(m, 1, 4, 1), MetricAccuracy, true, func(x *layers.Model) (float64, error) {
		if whole := x == m; whole != (asked == 0) {
			t.Errorf("question %d is about the whole model: %v", asked, whole)
		}
		asked++
		return answers[asked-1], nil
	})
	if err != nil || asked != 4 {
		t.Fatalf("%v after %d questions", err, asked)
	}
	for l, want := range []float64{0.5, 0, -0.05} {
		if math.Abs(got.Layers[l].Value-want) > 1e-12 {
			t.Errorf("layer %d: got %v, want %v", l, got.Layers[l].Value, want)
		}
	}
	if order := got.Order(); !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("got the order %v", order)
	}
	wrong := errors.New("no answer")
	if _, err := LOO(probe(m, 1, 4, 1), MetricAccuracy, true, func(*layers.Model) (float64, error) { return 0, wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}
