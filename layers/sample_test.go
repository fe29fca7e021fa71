package layers

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stillhouse/layers/tensor"
)

// The logits are logarithms, so that probabilities can be computed by hand.
func TestSamplingGivesTheDistributionsComputedByHand(t *testing.T) {
	logs := func(p ...float64) (x []float64) {
		for _, v := range p {
			x = append(x, math.Log(v))
		}
		return x
	}
	for _, c := range []struct {
		name   string
		s      Sampling
		logits []float64
		seen   []int32
		ids    []int32
		p      []float64
	}{
		{"all, sorted", Sampling{Temperature: 1}, logs(0.1, 0.4, 0.2, 0.3), nil, []int32{1, 3, 2, 0}, []float64{0.4, 0.3, 0.2, 0.1}},
		{"temperature 1/2 squares: 16+9+4+1 = 30", Sampling{Temperature: 0.5}, logs(0.1, 0.4, 0.2, 0.3), nil, []int32{1, 3, 2, 0}, []float64{16. / 30, 9. / 30, 4. / 30, 1. / 30}},
		{"temperature 0 takes the likeliest", Sampling{}, logs(0.1, 0.4, 0.2, 0.3), nil, []int32{1}, []float64{1}},
		{"the lower of equals comes first", Sampling{}, logs(0.1, 0.4, 0.4, 0.1), nil, []int32{1}, []float64{1}},
		{"two likeliest", Sampling{Temperature: 1, TopK: 2}, logs(0.1, 0.4, 0.2, 0.3), nil, []int32{1, 3}, []float64{4. / 7, 3. / 7}},
		{"more than there are", Sampling{Temperature: 1, TopK: 9}, logs(0.25, 0.75), nil, []int32{1, 0}, []float64{0.75, 0.25}},
		{"0.4 is not half, 0.4+0.3 is more", Sampling{Temperature: 1, TopP: 0.5}, logs(0.1, 0.4, 0.2, 0.3), nil, []int32{1, 3}, []float64{4. / 7, 3. / 7}},
		{"a share below the likeliest keeps it", Sampling{Temperature: 1, TopP: 0.01}, logs(0.1, 0.4, 0.2, 0.3), nil, []int32{1}, []float64{1}},
		{"P is of the K likeliest: 4/9 is below 1/2, 7/9 is not", Sampling{Temperature: 1, TopK: 3, TopP: 0.5}, logs(0.1, 0.4, 0.2, 0.3), nil, []int32{1, 3}, []float64{4. / 7, 3. / 7}},
		{"a penalty divides logits above 0 and multiplies the others, once each", Sampling{RepetitionPenalty: 2}, []float64{4, 3, -1, -3}, []int32{0, 0, 2}, []int32{1}, []float64{1}},
		{"its distribution: logits 2, 3, -2, -3", Sampling{Temperature: 1, RepetitionPenalty: 2, TopK: 2}, []float64{4, 3, -1, -3}, []int32{0, 0, 2},
			[]int32{1, 0}, []float64{math.E / (1 + math.E), 1 / (1 + math.E)}},
	} {
		ids, p := c.s.Distribution(append([]float64(nil), c.logits...), c.seen)
		if diff := cmp.Diff(c.ids, ids); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.p, p, cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestChoicesFollowTheDistributionAndTheSeed(t *testing.T) {
	logits := tensor.From([]float32{0, 0, 0, 0, float32(math.Log(1)), float32(math.Log(4)), float32(math.Log(2)), float32(math.Log(3))}, 2, 4)
	s := Sampling{Temperature: 1, TopK: 2}
	draw := func(seed uint64) (n [4]int) {
		r := rand.New(rand.NewPCG(seed, 1))
		for range 10_000 {
			n[s.Choose(logits, 1, nil, r)]++
		}
		return n
	}
	n := draw(1)
	// Of 10 000 draws with probability 4/7 five standard deviations are 247.
	if n[0]+n[2] != 0 || math.Abs(float64(n[1])-10_000*4/7.) > 247 {
		t.Errorf("drawn %v times, want 0, 5714 ± 247, 0 and the rest", n)
	}
	if draw(1) != n || draw(2) == n {
		t.Error("the draws do not follow the seed")
	}
	if got := (Sampling{}).Choose(logits, 1, nil, nil); got != 1 {
		t.Errorf("the likeliest is %d, want 1", got)
	}
	if got := (Sampling{RepetitionPenalty: 10}).Choose(logits, 1, []int32{1}, nil); got != 3 {
		t.Errorf("with 1 punished the likeliest is %d, want 3", got)
	}
	if tensor.Data[float32](logits)[5] != float32(math.Log(4)) {
		t.Error("Choose changed the logits")
	}
}

func TestSamplingRefusesValuesThatMeanNothing(t *testing.T) {
	for _, s := range []Sampling{{Temperature: -1}, {TopK: -1}, {TopP: 1.5}, {TopP: -0.1}, {RepetitionPenalty: -1}, {Temperature: math.NaN()}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is taken", s)
				}
			}()
			s.Distribution([]float64{1, 2}, nil)
		}()
	}
}
