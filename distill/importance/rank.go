package importance

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"stillhouse/layers"
)

// Score is one layer's importance; lower means more replaceable.
type Score struct {
	Layer int     `json:"layer"`
	Value float64 `json:"value"`
	// Steps of distillation behind Value, where some layers had fewer: their
	// values are of another age. By halving, a layer that stayed longer ranks
	// before those that left.
	Steps int `json:"steps,omitempty"`
	// Place in the ranking, from 1, if a race has told it: no matter the rest.
	Place int `json:"place,omitempty"`
}

// Scores is the result of one scorer, with what it cost.
type Scores struct {
	Method  string  `json:"method"`
	Metric  string  `json:"metric"` // what Value measures
	Layers  []Score `json:"layers"` // in layer order
	Tokens  int64   `json:"tokens"`
	Seconds float64 `json:"-"` // wall-clock time stays out of what must be reproducible
}

// Order returns the layers, most replaceable first; ties go to the later
// layer, as the paper's rankings do.
func (s Scores) Order() []int {
	v := slices.Clone(s.Layers)
	slices.SortStableFunc(v, func(a, b Score) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(b.Steps, a.Steps), cmp.Compare(a.Value, b.Value), cmp.Compare(b.Layer, a.Layer))
	})
	order := make([]int, len(v))
	for i, x := range v {
		order[i] = x.Layer
	}
	return order
}

// Of returns the value of a layer; ok is false when it was not scored.
func (s Scores) Of(layer int) (value float64, ok bool) {
	for _, x := range s.Layers {
		if x.Layer == layer {
			return x.Value, true
		}
	}
	return 0, false
}

// Probe is what a scorer looks at.
type Probe struct {
	Pool    *layers.Pool
	Teacher *layers.Model
	Student *layers.Model // as it stands; the teacher itself before the first stage
	Layers  []int         // the attention layers to score, ascending

	B, T, Batches int
	// Fill puts calibration batch i into b. Weights are 1 where the token
	// counts and 0 where it is masked; the scorer normalises them.
	Fill func(i int, b *layers.Batch) error
	Seed uint64
	// OneByOne has MMR replace one layer at a time, where what that reads is large.
	OneByOne bool
	// Progress, if not nil, is told of finished work.
	Progress func(done, total int)
}

func (p *Probe) progress(done, total int) {
	if p.Progress != nil {
		p.Progress(done, total)
	}
}

func (p *Probe) batch() *layers.Batch {
	return layers.NewBatch(p.B, p.T, p.Teacher.Embed.Value.DType())
}

// scores starts a result with one entry a layer.
func (p *Probe) scores(method, metric string) Scores {
	s := Scores{Method: method, Metric: metric, Layers: make([]Score, len(p.Layers))}
	for i, l := range p.Layers {
		s.Layers[i].Layer = l
	}
	return s
}

// done completes a result. A value that is not a number would rank anywhere and
// cannot be saved, so it is an error.
func (p *Probe) done(s Scores, began time.Time) (Scores, error) {
	for _, x := range s.Layers {
		if math.IsNaN(x.Value) || math.IsInf(x.Value, 0) {
			return s, fmt.Errorf("importance: %s: layer %d scores %g (hint: look at the weights and the calibration data)", s.Method, x.Layer, x.Value)
		}
	}
	s.Seconds = time.Since(began).Seconds()
	return s, nil
}

// errMasked is a calibration set that says nothing.
func errMasked(s Scores) error {
	return fmt.Errorf("importance: %s: no calibration sequence has an unmasked token (hint: data.loss_on: all)", s.Method)
}

// Baseline scores without looking at the model: random (by the seed), uniform
// (evenly spaced layers first), first, last or manual (order as given).
func Baseline(method string, candidates []int, seed uint64, manual []int) (Scores, error) {
	var order []int
	switch method {
	case "random":
		order = slices.Clone(candidates)
		r := rand.New(rand.NewPCG(seed, 0x5eed))
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	case "uniform":
		order = spread(candidates)
	case "first":
		order = slices.Clone(candidates)
	case "last":
		order = slices.Clone(candidates)
		slices.Reverse(order)
	case "manual":
		for _, l := range manual {
			if !slices.Contains(candidates, l) || slices.Contains(order, l) {
				return Scores{}, fmt.Errorf("importance.layers: layer %d cannot be replaced here or is listed twice (candidates: %v)", l, candidates)
			}
			order = append(order, l)
		}
		for _, l := range candidates { // what the list leaves out is kept longest
			if !slices.Contains(order, l) {
				order = append(order, l)
			}
		}
	default:
		panic(fmt.Sprintf("importance: Baseline: unknown method %q", method))
	}
	s := Scores{Method: method, Metric: "rank"}
	for _, l := range candidates {
		s.Layers = append(s.Layers, Score{Layer: l, Value: float64(slices.Index(order, l))})
	}
	return s, nil
}

// spread orders layers so that every prefix is as evenly spaced as it can be:
// each next layer is the one farthest from those chosen and from the ends.
func spread(candidates []int) []int {
	var order []int
	left := slices.Clone(candidates)
	for len(left) > 0 {
		best, far := 0, -1
		for i, l := range left {
			d := min(l-candidates[0], candidates[len(candidates)-1]-l) + 1
			if len(order) > 0 {
				d = 1 << 30
			}
			for _, o := range order {
				d = min(d, max(l-o, o-l))
			}
			if d > far {
				best, far = i, d
			}
		}
		order = append(order, left[best])
		left = slices.Delete(left, best, best+1)
	}
	return order
}
