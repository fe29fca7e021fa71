package importance

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"stillhouse/layers"
)

// Cohort trains one probe a layer side by side, so that what they have in common
// is computed once.
type Cohort interface {
	// Train takes the probes of the given indices further and returns the loss
	// of each of their steps; tick hears of every one. Who is left out once is
	// never asked for again.
	Train(alive []int, steps int, tick func()) ([][]float64, error)
	// Tokens returns how many tokens all probes together have trained on.
	Tokens() int64
	// Close lets go of what the probes train on.
	Close()
}

// Gather begins a Cohort: in models[i], which is the student elsewhere, the
// mixer of layer ls[i] trains.
type Gather func(models []*layers.Model, ls []int) Cohort

// Stop says which probes of [MMR] end before they have had all their steps.
type Stop string

const (
	AtTheEnd Stop = "end"     // none
	Halving  Stop = "halving" // the worse half, again and again
	Racing   Stop = "racing"  // those whose place in the ranking is settled
)

// MMR is Apriel-H1's MIL-Mamba-Replacement: each layer alone is swapped for an
// initialised Mamba mixer, which is then distilled for a number of steps; the
// score is the mean loss of the last fifth of them.
//
// With Halving, all layers start with a fraction of the steps and the better
// half goes on with twice as many, until the best have had them all: about
// log₂(L) times cheaper, and as good for the layers that will be replaced next,
// whose scores are the same as without. Who goes on is told by the last half of
// the steps so far: early a fifth of them would be a batch or two, and how hard
// those are differs by layer as much as the layers do.
//
// With Racing, the ranking of all layers is meant to be that of all their steps,
// and a layer stops only when its place is certain: see race.go.
func MMR(p Probe, replace Replace, gather Gather, steps int, stop Stop) (Scores, error) {
	began := time.Now()
	s := p.scores("mmr", fmt.Sprintf("distillation loss after %d steps", steps))
	models := make([]*layers.Model, len(p.Layers))
	alive := make([]int, len(p.Layers)) // indices into s.Layers
	errs := make([]error, len(p.Layers))
	begin := func(j int) {
		models[j], alive[j] = p.Student.Share(), j
		errs[j] = replace(models[j], p.Layers[j])
	}
	if p.OneByOne {
		for j := range p.Layers {
			begin(j)
		}
	} else {
		p.Pool.For(len(p.Layers), begin) // what fitting does not divide is divided so
	}
	for j, err := range errs {
		if err != nil {
			return s, fmt.Errorf("importance: mmr: layer %d: %w", p.Layers[j], err)
		}
	}
	c := gather(models, p.Layers)
	defer c.Close()
	ends := rounds(len(p.Layers), steps, stop)
	taken, done, total := 0, 0, MMRSteps(len(alive), steps, stop)
	losses := make([][]float64, len(p.Layers))
	var left []departure
	for round, upTo := range ends {
		more, err := c.Train(alive, upTo-taken, func() { done++; p.progress(done, total) })
		if err != nil {
			return s, fmt.Errorf("importance: mmr: %w", err)
		}
		last := round == len(ends)-1
		for k, j := range alive {
			losses[j] = append(losses[j], more[k]...)
			part := len(losses[j]) / 5
			if stop == Halving && !last {
				part = len(losses[j]) / 2
			}
			s.Layers[j].Value = meanOfLast(losses[j], part)
			if stop != AtTheEnd {
				s.Layers[j].Steps = upTo
			}
		}
		taken = upTo
		switch {
		case last:
		case stop == Halving:
			slices.SortStableFunc(alive, func(a, b int) int { return cmp.Compare(s.Layers[a].Value, s.Layers[b].Value) })
			alive = alive[:(len(alive)+1)/2]
			slices.Sort(alive)
		case stop == Racing:
			before := len(alive)
			alive, left = settle(alive, left, losses, steps)
			total -= (before - len(alive)) * (steps - taken)
		}
		if len(alive) == 0 {
			break
		}
	}
	if stop == Racing {
		s.place(left)
	}
	s.Tokens = c.Tokens()
	return p.done(s, began)
}

// MMRSteps returns how many steps MMR takes for so many layers, all together; of
// a race, which may end sooner, the most.
func MMRSteps(layers, steps int, stop Stop) (total int) {
	taken := 0
	for _, upTo := range rounds(layers, steps, stop) {
		total += layers * (upTo - taken)
		if taken = upTo; stop == Halving {
			layers = (layers + 1) / 2
		}
	}
	return total
}

// rounds returns after how many steps each round ends: all of them in one; with
// Halving, twice as many a round until about two layers are left; with Racing,
// about looks equal ones.
func rounds(layers, steps int, stop Stop) (ends []int) {
	switch stop {
	case Halving:
		for n, end := layers, steps; n > 2 && end > 1; n = (n + 1) / 2 {
			end /= 2
			ends = append([]int{end}, ends...)
		}
	case Racing:
		every := max(1, steps/looks)
		for end := every; end < steps; end += every {
			ends = append(ends, end)
		}
	}
	return append(ends, steps)
}

// meanOfLast is the mean of the last n values, at least one. A distillation that
// left the numbers ranks last: as the largest that a file can hold.
func meanOfLast(losses []float64, n int) float64 {
	tail := losses[len(losses)-max(1, n):]
	var sum float64
	for _, v := range tail {
		sum += v
	}
	if mean := sum / float64(len(tail)); !math.IsNaN(mean) && !math.IsInf(mean, 0) {
		return mean
	}
	return math.MaxFloat64
}
