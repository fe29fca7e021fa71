package distill

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// plain is a model whose attention costs 1, whose Mamba costs 0.2 and whose rest
// costs 2 of whatever time is measured in: eight layers take 10.
var plain = &CostModel{Context: 1024, Attention: 1, Mamba: 0.2, Rest: 2}

func TestAFormBecomesCumulativeCounts(t *testing.T) {
	for _, c := range []struct {
		name               string
		form               PlanForm
		layers, candidates int
		want               []int
	}{
		{"counts as they are", PlanForm{Counts: []int{2, 4, 6}}, 8, 8, []int{2, 4, 6}},
		{"counts up to the last candidate", PlanForm{Counts: []int{7}}, 8, 7, []int{7}},
		{"fractions are of all layers, not of the candidates", PlanForm{Fractions: []float64{0.25, 0.5, 0.75}}, 8, 7, []int{2, 4, 6}},
		{"a half of a layer rounds up", PlanForm{Fractions: []float64{0.5}}, 7, 7, []int{4}},
		{"fractions of the paper", PlanForm{Fractions: []float64{0.5, 0.6, 0.8}}, 50, 50, []int{25, 30, 40}},
		{"groups to all candidates, the last one smaller", PlanForm{GroupSize: 3}, 8, 8, []int{3, 6, 8}},
		{"groups to all candidates, none over", PlanForm{GroupSize: 4}, 9, 8, []int{4, 8}},
		{"groups to a total", PlanForm{GroupSize: 2, Total: 5}, 8, 8, []int{2, 4, 5}},
		{"one group larger than the total", PlanForm{GroupSize: 10, Total: 5}, 8, 8, []int{5}},
		// 10/(10-0.8n) reaches 1.5 at n = 4.17 and 2 at n = 6.25.
		{"a budget in one stage", PlanForm{Budget: &Budget{Speedup: 1.5}}, 8, 8, []int{5}},
		{"a budget in groups", PlanForm{Budget: &Budget{Speedup: 2}, GroupSize: 3}, 8, 8, []int{3, 6, 7}},
		{"a budget met exactly", PlanForm{Budget: &Budget{Speedup: 10.0 / 9.2}}, 8, 8, []int{1}},
	} {
		got, err := c.form.counts(c.layers, c.candidates, plain)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func TestAFormThatCannotBeIsAnErrorWithAHint(t *testing.T) {
	for _, c := range []struct {
		name       string
		form       PlanForm
		candidates int
		says       []string
	}{
		{"nothing set", PlanForm{}, 8, []string{"how many", "plan.mamba_layers"}},
		{"counts that stand still", PlanForm{Counts: []int{2, 2}}, 8, []string{"stage 2 has 2", "must grow"}},
		{"counts that fall", PlanForm{Counts: []int{4, 3}}, 8, []string{"stage 2 has 3", "before 4"}},
		{"no layers at all", PlanForm{Counts: []int{0, 2}}, 8, []string{"stage 1 has 0"}},
		{"a fraction too small for one layer", PlanForm{Fractions: []float64{0.05}}, 8, []string{"stage 1 has 0"}},
		{"more than may be replaced", PlanForm{Counts: []int{7}}, 6, []string{"7 layers", "only 6 of 8", "keep_attention"}},
		{"a total beyond the candidates", PlanForm{GroupSize: 2, Total: 8}, 6, []string{"only 6 of 8"}},
		{"no candidate", PlanForm{GroupSize: 2}, 0, []string{"stage 1 has 0"}},
		// All eight as Mamba take 3.6 of 10.
		{"a speed-up beyond all Mamba", PlanForm{Budget: &Budget{Speedup: 3, Context: 1024}}, 8, []string{"3.00x at 1024 tokens", "give 2.78x", "plan.budget.speedup"}},
		{"a speed-up that the kept layers prevent", PlanForm{Budget: &Budget{Speedup: 2}}, 6, []string{"7 layers", "only 6"}},
	} {
		got, err := c.form.counts(8, c.candidates, plain)
		if err == nil {
			t.Errorf("%s: got %v and no error", c.name, got)
			continue
		}
		for _, w := range c.says {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %q does not say %q", c.name, err, w)
			}
		}
	}
}

func TestABudgetWithoutACostModelPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("it went on")
		}
	}()
	(PlanForm{Budget: &Budget{Speedup: 2}}).counts(8, 8, nil)
}

func TestAPlanReplacesTheFirstOfTheOrder(t *testing.T) {
	got, err := MakePlan(PlanForm{Counts: []int{2, 3, 6}}, 8, []int{5, 2, 7, 1, 4, 6, 3}, nil) // 0 is kept
	if err != nil {
		t.Fatal(err)
	}
	want := Plan{Layers: 8, Stages: []Stage{
		{Index: 1, Replace: []int{2, 5}, Mamba: []int{2, 5}},
		{Index: 2, Replace: []int{7}, Mamba: []int{2, 5, 7}},
		{Index: 3, Replace: []int{1, 4, 6}, Mamba: []int{1, 2, 4, 5, 6, 7}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for i, strip := range []string{"AAMAAMAA", "AAMAAMAM", "AMMAMMMM"} {
		if s := got.Stages[i].Strip(8); s != strip {
			t.Errorf("stage %d is drawn %s, want %s", i+1, s, strip)
		}
	}
}

func TestAPlanKeepsTheCostItWasMadeBy(t *testing.T) {
	got, err := MakePlan(PlanForm{Budget: &Budget{Speedup: 1.1}}, 8, []int{3, 1}, plain)
	if err != nil || got.Cost != plain || len(got.Stages) != 1 || !slices.Equal(got.Stages[0].Replace, []int{1, 3}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestARescoredStagePassesOverWhatIsMambaAlready: a new order may name any layer
// again.
func TestARescoredStagePassesOverWhatIsMambaAlready(t *testing.T) {
	got := next(2, 4, []int{2, 5}, []int{5, 6, 2, 0, 1})
	if d := cmp.Diff(Stage{Index: 2, Replace: []int{0, 6}, Mamba: []int{0, 2, 5, 6}}, got); d != "" {
		t.Error(d)
	}
}

// TestPlanNeverReplacesALayerTwice, nor one to keep, and ends with as many as
// was asked for, whatever the order, the kept layers and the steps.
func TestPlanNeverReplacesALayerTwice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(r, "layers")
		var all []int
		for l := range n {
			all = append(all, l)
		}
		order := rapid.Permutation(all).Draw(r, "order")
		order = order[:rapid.IntRange(1, n).Draw(r, "candidates")]
		form := PlanForm{GroupSize: rapid.IntRange(1, n).Draw(r, "group"), Total: rapid.IntRange(0, len(order)).Draw(r, "total")}
		p, err := MakePlan(form, n, order, nil)
		if err != nil {
			r.Fatal(err)
		}
		seen := map[int]bool{}
		for i, s := range p.Stages {
			if s.Index != i+1 || len(s.Replace) == 0 || len(s.Replace) > form.GroupSize {
				r.Errorf("stage %d is %+v", i+1, s)
			}
			for _, l := range s.Replace {
				if seen[l] || !slices.Contains(order, l) {
					r.Errorf("layer %d is replaced twice, or should have been kept", l)
				}
				seen[l] = true
			}
			if len(s.Mamba) != len(seen) || !slices.IsSorted(s.Mamba) || !slices.IsSorted(s.Replace) {
				r.Errorf("stage %d has the Mamba layers %v after %d were replaced", i+1, s.Mamba, len(seen))
			}
		}
		want := form.Total
		if want == 0 {
			want = len(order)
		}
		if len(seen) != want {
			r.Errorf("%d layers replaced, want %d", len(seen), want)
		}
	})
}
