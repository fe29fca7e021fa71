package importance

import (
	"math"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// TestGateScoresEqualDifferencesOfTheLossInTheGates: central differences in
// float64, one sequence at a time, then the root of their mean square.
func TestGateScoresEqualDifferencesOfTheLossInTheGates(t *testing.T) {
	m := random(t, 3, -1, tensor.F64)
	const batches = 3
	got, err := Gate(probe(m, 2, 10, batches), false)
	if err != nil {
		t.Fatal(err)
	}
	sum := make([]float64, 3)
	pair, b := layers.NewBatch(2, 10, tensor.F64), layers.NewBatch(1, 10, tensor.F64)
	s, err := layers.NewStep(nil, layers.StepConfig{Student: m, Batch: b, MixerGates: true, Measure: true,
		Objective: layers.Objective{{Type: layers.CrossEntropy, Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	at := func(l int, g float64) float64 {
		s.SetGate(l, g, false)
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		return s.Loss()
	}
	for i := range batches {
		if err := fill(i, pair); err != nil {
			t.Fatal(err)
		}
		for k := range 2 {
			b.IDs.CopyFrom(pair.IDs.Rows(k*10, k*10+10))
			b.Labels.CopyFrom(pair.Labels.Rows(k*10, k*10+10))
			b.Weight.CopyFrom(pair.Weight.Rows(k*10, k*10+10))
			normalise(b)
			for l := range sum {
				const h = 1e-5
				d := (at(l, 1+h) - at(l, 1-h)) / (2 * h)
				at(l, 1)
				sum[l] += d * d / (2 * batches)
			}
		}
	}
	for l, x := range got.Layers {
		if want := math.Sqrt(sum[l]); math.Abs(x.Value-want) > 1e-7*want {
			t.Errorf("layer %d: got %.10g, differences say %.10g", l, x.Value, want)
		}
	}
	if got.Tokens != 2*10*batches || !(got.Seconds > 0) || got.Method != "gate" {
		t.Errorf("got the cost %d tokens and %v seconds of %s", got.Tokens, got.Seconds, got.Method)
	}
}

// TestSampledLabelsAreTheTeachersAndTheSeedsAlone: what the data says does not
// matter, the seed does, and one seed always gives the same.
func TestSampledLabelsAreTheTeachersAndTheSeedsAlone(t *testing.T) {
	m := random(t, 2, -1, tensor.F32)
	score := func(seed uint64, label int32) Scores {
		p := probe(m, 4, 12, 2)
		p.Seed = seed
		p.Fill = func(i int, b *layers.Batch) error {
			err := fill(i, b)
			for n := range tensor.Data[int32](b.Labels) {
				tensor.Data[int32](b.Labels)[n] = label
			}
			return err
		}
		s, err := Gate(p, true)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := score(1, 3)
	for what, c := range map[string]struct {
		s    Scores
		same bool
	}{"again": {score(1, 3), true}, "with other labels": {score(1, 4), true}, "by another seed": {score(2, 3), false}} {
		if (a.Layers[0] == c.s.Layers[0]) != c.same {
			t.Errorf("%s: got %v, first %v", what, c.s.Layers, a.Layers)
		}
	}
}

func TestACalibrationSetThatIsMaskedIsAnErrorOfEveryScorer(t *testing.T) {
	p := probe(random(t, 2, -1, tensor.F32), 2, 6, 1)
	p.Fill = masked
	for name, score := range map[string]func() (Scores, error){
		"gate": func() (Scores, error) { return Gate(p, false) },
		"loo":  func() (Scores, error) { return LOO(p, MetricKL, false, nil) },
		"swap": func() (Scores, error) { return Swap(p, toMamba) },
	} {
		if _, err := score(); err == nil || !strings.Contains(err.Error(), "no calibration sequence has an unmasked token") || !strings.Contains(err.Error(), "importance: "+name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAWeightThatIsNotANumberIsAnErrorThatNamesTheLayer(t *testing.T) {
	m := random(t, 2, -1, tensor.F32)
	tensor.Data[float32](m.Blocks[1].Mixer.(*layers.Attention).O.Value)[0] = float32(math.NaN())
	if _, err := Gate(probe(m, 1, 6, 1), false); err == nil || !strings.Contains(err.Error(), "scores NaN") {
		t.Errorf("got %v", err)
	}
}
