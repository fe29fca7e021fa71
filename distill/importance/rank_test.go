package importance

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers/tensor"
)

func TestTheOrderIsByValueThenTheLaterLayer(t *testing.T) {
	s := Scores{Layers: []Score{{Layer: 0, Value: 2}, {Layer: 1, Value: 1}, {Layer: 3, Value: 1}, {Layer: 5, Value: -4}}}
	if got := s.Order(); !slices.Equal(got, []int{5, 3, 1, 0}) {
		t.Errorf("got %v", got)
	}
	if v, ok := s.Of(3); v != 1 || !ok {
		t.Errorf("layer 3 has %v, %v", v, ok)
	}
	if _, ok := s.Of(2); ok {
		t.Error("layer 2 was not scored")
	}
}

func TestBaselinesRankWithoutLooking(t *testing.T) {
	candidates := []int{1, 2, 3, 4, 5, 6, 7}
	for _, c := range []struct {
		method string
		manual []int
		want   []int
	}{
		{"first", nil, []int{1, 2, 3, 4, 5, 6, 7}},
		{"last", nil, []int{7, 6, 5, 4, 3, 2, 1}},
		{"manual", []int{5, 2}, []int{5, 2, 1, 3, 4, 6, 7}},
		{"uniform", nil, []int{4, 1, 7, 2, 3, 5, 6}},
	} {
		s, err := Baseline(c.method, candidates, 1, c.manual)
		if err != nil || !slices.Equal(s.Order(), c.want) || s.Tokens != 0 {
			t.Errorf("%s: got %v, %v, want %v", c.method, s.Order(), err, c.want)
		}
	}
	orders := map[string]bool{}
	for seed := range uint64(8) {
		a, err := Baseline("random", candidates, seed, nil)
		b, err2 := Baseline("random", candidates, seed, nil)
		if err != nil || err2 != nil || !slices.Equal(a.Order(), b.Order()) {
			t.Errorf("seed %d: %v and %v, %v %v", seed, a.Order(), b.Order(), err, err2)
		}
		orders[fmt.Sprint(a.Order())] = true
		if sorted := slices.Sorted(slices.Values(a.Order())); !slices.Equal(sorted, candidates) {
			t.Errorf("seed %d: %v is no permutation", seed, a.Order())
		}
	}
	if len(orders) < 6 {
		t.Errorf("eight seeds give %d orders", len(orders))
	}
	for _, manual := range [][]int{{0}, {2, 2}, {8}} {
		if _, err := Baseline("manual", candidates, 1, manual); err == nil || !strings.Contains(err.Error(), "candidates: [1 2 3") {
			t.Errorf("%v: got %v", manual, err)
		}
	}
}

// TestEveryScorerFindsTheLayerThatDoesNothing: an o_proj of zero, which each
// must rank most replaceable, twice the same. All layers' outputs are small, so
// that what one does hardly depends on the others: restore, which looks at a
// layer among Mamba mixers, could not be foretold otherwise.
func TestEveryScorerFindsTheLayerThatDoesNothing(t *testing.T) {
	for _, silent := range []int{0, 2} {
		m := random(t, 4, silent, tensor.F32)
		for _, q := range m.Params() {
			if strings.HasSuffix(q.Name, "o_proj.weight") || strings.HasSuffix(q.Name, "down_proj.weight") {
				for i, x := range tensor.Data[float32](q.Value) {
					tensor.Data[float32](q.Value)[i] = x / 10
				}
			}
		}
		p := probe(m, 2, 16, 2)
		for name, score := range map[string]func() (Scores, error){
			"gate":         func() (Scores, error) { return Gate(p, false) },
			"gate sampled": func() (Scores, error) { return Gate(p, true) },
			"loo kl":       func() (Scores, error) { return LOO(p, MetricKL, false, nil) },
			"swap":         func() (Scores, error) { return Swap(p, toMamba) },
			"mmr":          func() (Scores, error) { return MMR(p, toMamba, gather(t, p, &group{}), 5, AtTheEnd) },
			"mmr halving":  func() (Scores, error) { return MMR(p, toMamba, gather(t, p, &group{}), 5, Halving) },
			"mmr racing":   func() (Scores, error) { return MMR(p, toMamba, gather(t, p, &group{}), 5, Racing) },
			"restore":      func() (Scores, error) { return Restore(p, toMamba, begin(p), 5, 5) },
		} {
			a, err := score()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := a.Order()[0]; got != silent {
				t.Errorf("%s: layer %d ranks first, want %d: %v", name, got, silent, a.Layers)
			}
			if v, _ := a.Of(silent); name != "restore" && math.Abs(v) > 1e-6 {
				t.Errorf("%s: the layer that does nothing scores %v", name, v)
			}
			b, err := score()
			if err != nil || !slices.Equal(a.Layers, b.Layers) {
				t.Errorf("%s: got %v, then %v, %v", name, a.Layers, b.Layers, err)
			}
			if !(a.Seconds > 0) || a.Tokens <= 0 || a.Tokens != b.Tokens {
				t.Errorf("%s: the cost is %d tokens, %v seconds", name, a.Tokens, a.Seconds)
			}
		}
	}
}

// TestRestoreCountsAllItsTokens: a warm-up, and a distillation for none and for
// each layer.
func TestRestoreCountsAllItsTokens(t *testing.T) {
	p := probe(random(t, 3, -1, tensor.F32), 2, 8, 1)
	done, total := 0, 0
	p.Progress = func(d, n int) { done, total = d, n }
	before := fmt.Sprint(tensor.Data[float32](p.Student.Embed.Value))
	s, err := Restore(p, toMamba, begin(p), 4, 2)
	if err != nil || s.Tokens != 16*(4+2*4) || done != total || total != 5 {
		t.Errorf("%v: %d tokens, %d of %d done", err, s.Tokens, done, total)
	}
	if p.Student.Config.Strip() != "AAA" || fmt.Sprint(tensor.Data[float32](p.Student.Embed.Value)) != before {
		t.Error("the student was changed")
	}
}
