package importance

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// mmr scores a model with the tests' own cohort.
func mmr(t *testing.T, m *layers.Model, steps int, stop Stop) (Scores, *group) {
	t.Helper()
	p, g := probe(m, 2, 10, 1), &group{}
	last := 0
	p.Progress = func(done, total int) {
		if done != last+1 || done > total {
			t.Errorf("progress goes from %d to %d of %d", last, done, total)
		}
		last = done
	}
	s, err := MMR(p, toMamba, gather(t, p, g), steps, stop)
	if err != nil {
		t.Fatal(err)
	}
	return s, g
}

// TestHalvingKeepsTheScoresOfThoseThatStay: they have trained as long as without
// it and rank first; who left ranks after all that stayed longer.
func TestHalvingKeepsTheScoresOfThoseThatStay(t *testing.T) {
	m := random(t, 6, -1, tensor.F32)
	whole, _ := mmr(t, m, 8, AtTheEnd)
	half, g := mmr(t, m, 8, Halving)
	if want := []int{6, 3, 2}; len(g.seen) != 3 || len(g.seen[0]) != want[0] || len(g.seen[1]) != want[1] || len(g.seen[2]) != want[2] {
		t.Fatalf("the rounds were of %v, want %v", g.seen, want)
	}
	// Rounds end after 2, 4 and 8 steps.
	if want := int64(20 * (6*2 + 3*2 + 2*4)); half.Tokens != want || whole.Tokens != 20*6*8 {
		t.Errorf("%d and %d tokens, want %d and %d", half.Tokens, whole.Tokens, want, 20*6*8)
	}
	order := half.Order()
	for i, l := range order {
		x := half.Layers[l]
		if want := []int{8, 8, 4, 2, 2, 2}[i]; x.Steps != want {
			t.Errorf("place %d is layer %d's after %d steps, want %d", i, l, x.Steps, want)
		}
		if x.Steps == 8 && x.Value != whole.Layers[l].Value {
			t.Errorf("layer %d scores %v, without halving %v", l, x.Value, whole.Layers[l].Value)
		}
	}
	stayed := slices.DeleteFunc(whole.Order(), func(l int) bool { return half.Layers[l].Steps < 8 })
	if !slices.Equal(order[:2], stayed) {
		t.Errorf("those that stayed rank %v, without halving %v", order[:2], stayed)
	}
	if whole.Layers[0].Steps != 0 {
		t.Error("without halving there is nothing to say of steps")
	}
}

// TestHalvingWithFewerStepsThanRoundsStillTrainsEveryone: no round is empty.
func TestHalvingWithFewerStepsThanRoundsStillTrainsEveryone(t *testing.T) {
	for steps, want := range map[int]string{1: "[1]", 2: "[1 2]", 3: "[1 3]", 100: "[25 50 100]"} {
		if got := fmt.Sprint(rounds(8, steps, Halving)); got != want {
			t.Errorf("%d steps: rounds end at %s, want %s", steps, got, want)
		}
	}
	s, _ := mmr(t, random(t, 5, -1, tensor.F32), 1, Halving)
	for _, x := range s.Layers {
		if !(x.Value > 0) {
			t.Errorf("layer %d scores %v", x.Layer, x.Value)
		}
	}
}

func TestTheScoreIsTheMeanOfTheLastValues(t *testing.T) {
	for _, c := range []struct {
		losses []float64
		n      int
		want   float64
	}{
		{[]float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5}, 2, 0.75},
		{[]float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 5, 2},
		{[]float64{9, 8, 7}, 0, 7},
		{[]float64{9, 8, 7, 6, math.NaN()}, 1, math.MaxFloat64},
		{[]float64{9, 8, 7, 6, math.Inf(1)}, 1, math.MaxFloat64},
		{[]float64{math.NaN(), 8, 7, 6, 5}, 1, 5}, // it came back
	} {
		if got := meanOfLast(c.losses, c.n); got != c.want {
			t.Errorf("%v: got %v, want %v", c.losses, got, c.want)
		}
	}
}

// TestALayerThatDivergesRanksLast and can be written to a file.
func TestALayerThatDivergesRanksLast(t *testing.T) {
	m := random(t, 3, -1, tensor.F32)
	p, g := probe(m, 2, 10, 1), &group{}
	s, err := MMR(p, toMamba, func(models []*layers.Model, ls []int) Cohort {
		c := gather(t, p, g)(models, ls)
		g.trials[1] = broken{g.trials[1]}
		return c
	}, 5, AtTheEnd)
	if err != nil {
		t.Fatal(err)
	}
	if order := s.Order(); order[2] != 1 {
		t.Errorf("got the order %v of %v", order, s.Layers)
	}
}

type broken struct{ Trial }

func (b broken) Train(steps int) ([]float64, error) {
	losses, err := b.Trial.Train(steps)
	losses[len(losses)-1] = math.NaN()
	return losses, err
}

func TestAReplacementThatFailsNamesTheLayer(t *testing.T) {
	p := probe(random(t, 3, -1, tensor.F32), 1, 4, 1)
	fails := func(m *layers.Model, l int) error {
		if l == 2 {
			return fmt.Errorf("no room")
		}
		return toMamba(m, l)
	}
	for name, score := range map[string]func() (Scores, error){
		"swap":    func() (Scores, error) { return Swap(p, fails) },
		"mmr":     func() (Scores, error) { return MMR(p, fails, gather(t, p, &group{}), 1, AtTheEnd) },
		"restore": func() (Scores, error) { return Restore(p, fails, begin(p), 1, 1) },
	} {
		if _, err := score(); err == nil || !strings.Contains(err.Error(), "importance: "+name+": layer 2: no room") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
