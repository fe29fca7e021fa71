package distill

import (
	"fmt"
	"math"
	"slices"
)

// PlanForm says how many layers become Mamba at which stage. Exactly one of
// the four is set.
type PlanForm struct {
	Counts    []int     // cumulative numbers of Mamba layers, e.g. 4, 6, 8
	Fractions []float64 // the same as shares of all layers, e.g. 0.5, 0.75
	GroupSize int       // this many a stage, up to Total
	Total     int       // with GroupSize; 0: every layer that may be replaced
	Budget    *Budget   // as many as a speed-up takes, in one stage per GroupSize
}

// Budget asks for a speed-up that the cost model turns into a count.
type Budget struct {
	Speedup float64 // over the teacher
	Context int     // at this many tokens of context
	Prefill bool    // of reading the context, not of decoding
}

// CostModel is decode time per token and layer, measured on this machine; it is
// saved with the plan so that a rerun decides the same.
type CostModel struct {
	Context   int     `json:"context"`
	Attention float64 `json:"attention_seconds"` // an attention mixer, at that context
	Mamba     float64 `json:"mamba_seconds"`     // a Mamba mixer, at any context
	Rest      float64 `json:"rest_seconds"`      // embedding, MLPs, norms and head, all layers
}

// Stage is one step of the conversion.
type Stage struct {
	Index   int   `json:"index"`   // from 1
	Replace []int `json:"replace"` // layers that become Mamba at this stage, ascending
	Mamba   []int `json:"mamba"`   // all Mamba layers after it, ascending
}

// Plan is the stages of a run.
type Plan struct {
	Layers int        `json:"layers"`
	Stages []Stage    `json:"stages"`
	Cost   *CostModel `json:"cost_model,omitempty"`
}

// Counts turns a form into cumulative numbers of Mamba layers, one a stage, for
// a model of the given number of layers of which candidates may be replaced.
func (f PlanForm) counts(layers, candidates int, cost *CostModel) ([]int, error) {
	var counts []int
	switch {
	case f.Budget != nil:
		n, err := cost.count(layers, *f.Budget)
		if err != nil {
			return nil, err
		}
		counts = upTo(n, f.GroupSize)
	case len(f.Counts) > 0:
		counts = slices.Clone(f.Counts)
	case len(f.Fractions) > 0:
		for _, x := range f.Fractions {
			counts = append(counts, int(math.Round(x*float64(layers))))
		}
	case f.GroupSize > 0:
		total := f.Total
		if total == 0 {
			total = candidates
		}
		counts = upTo(total, f.GroupSize)
	default:
		return nil, fmt.Errorf("plan: nothing says how many layers to replace (hint: plan.mamba_layers: [2, 4, 6])")
	}
	last := 0
	for i, n := range counts {
		if n <= last {
			return nil, fmt.Errorf("plan: stage %d has %d Mamba layers, the stage before %d: counts must grow", i+1, n, last)
		}
		last = n
	}
	if last > candidates {
		return nil, fmt.Errorf("plan: %d layers should become Mamba, but only %d of %d may (hint: shorten student.keep_attention)", last, candidates, layers)
	}
	return counts, nil
}

// upTo counts to n in steps of group; 0 means one step.
func upTo(n, group int) (counts []int) {
	if group <= 0 {
		group = n
	}
	for c := group; c < n; c += group {
		counts = append(counts, c)
	}
	return append(counts, n)
}

// count returns the fewest Mamba layers that give the speed-up.
func (c *CostModel) count(layers int, b Budget) (int, error) {
	if c == nil {
		panic("distill: a budget needs a cost model")
	}
	whole := c.Rest + float64(layers)*c.Attention
	best := 0.0
	for n := 1; n <= layers; n++ {
		t := c.Rest + float64(layers-n)*c.Attention + float64(n)*c.Mamba
		if best = whole / t; best >= b.Speedup {
			return n, nil
		}
	}
	return 0, fmt.Errorf("plan: a speed-up of %.2fx at %d tokens is out of reach: all %d layers as Mamba give %.2fx on this machine (hint: a longer context, or a smaller plan.budget.speedup)",
		b.Speedup, b.Context, layers, best)
}

// next returns the stage that brings the number of Mamba layers to count:
// the first layers of order, most replaceable first, that are not Mamba yet.
func next(index, count int, mamba, order []int) Stage {
	s := Stage{Index: index, Mamba: slices.Clone(mamba)}
	for _, l := range order {
		if len(s.Mamba) < count && !slices.Contains(s.Mamba, l) {
			s.Replace = append(s.Replace, l)
			s.Mamba = append(s.Mamba, l)
		}
	}
	slices.Sort(s.Replace)
	slices.Sort(s.Mamba)
	return s
}

// MakePlan returns the whole plan for an order that will not be scored again:
// layers most replaceable first, those to keep left out.
func MakePlan(f PlanForm, layers int, order []int, cost *CostModel) (Plan, error) {
	p := Plan{Layers: layers, Cost: cost}
	counts, err := f.counts(layers, len(order), cost)
	if err != nil {
		return p, err
	}
	var mamba []int
	for i, n := range counts {
		s := next(i+1, n, mamba, order)
		p.Stages, mamba = append(p.Stages, s), s.Mamba
	}
	return p, nil
}

// Strip draws the layers after a stage as letters, e.g. AAMMAM.
func (s Stage) Strip(layers int) string {
	b := make([]byte, layers)
	for l := range b {
		b[l] = 'A'
		if slices.Contains(s.Mamba, l) {
			b[l] = 'M'
		}
	}
	return string(b)
}
