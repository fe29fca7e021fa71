package importance

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// A race of probes: [MMR] stops a probe once its place in the ranking at the end
// is settled, that is once it is settled against every other that still trains,
// which of the two will have the lower score. Against those that stopped before it
// was settled then. Near ties are never settled and train to the end, where their
// scores are the same as without a race.
//
// Two probes are compared step by step: all of them see the same batches, whose
// difficulty varies more than most layers do. The scores are means over the last
// fifth of all steps, of e; so far n are known. Two things stand between:
//
//   - The batches. Of a difference with mean m and deviation s so far, that over the
//     last fifth will be off by s·√(1/n + 1/e), were it not moving. |m| must be more
//     than that by Student's t at n-1 degrees of freedom; what moves has a larger s,
//     too. This is asked of the difference of the logarithms, as losses are ratios by
//     nature: each falls to a share of itself. And it is asked of the losses' own, as
//     scores are means of these: where a batch has few tokens that count, a few
//     batches make most of a loss, of which a mean of logarithms hears little.
//   - What is yet to be learnt. Losses are about powers of the step, so their log
//     ratio is about a straight line against its logarithm: the line fitted to it must
//     not have changed sign by the last fifth.
//
// The first quarter of the steps so far is left out: a warm-up tells of the
// initialiser. Each probe that goes saves what its layer costs, a pass forward and
// back through all above it; the deepest, the dearest, are those most often far
// from the rest.

const (
	looks = 16 // about as many times in a race it is asked who is settled
	// sure is the probability, one-sided, with which the batches must agree: two and a
	// half deviations of a normal. Two would do for one look at one pair, but there are
	// looks at L(L-1)/2.
	sure = 0.994
)

// departure is a probe that stopped, and how many of those that trained on then
// rank before it.
type departure struct{ index, before int }

// settle returns who of alive trains on, and left with those that do not.
func settle(alive []int, left []departure, losses [][]float64, steps int) ([]int, []departure) {
	var stops []int
	for _, a := range alive {
		if !slices.ContainsFunc(alive, func(b int) bool { return a != b && compare(losses[a], losses[b], steps) == 0 }) {
			stops = append(stops, a)
		}
	}
	for _, a := range stops {
		alive = slices.DeleteFunc(slices.Clone(alive), func(b int) bool { return b == a })
		d := departure{index: a}
		for _, b := range alive {
			if compare(losses[b], losses[a], steps) < 0 {
				d.before++
			}
		}
		left = append(left, d)
	}
	return alive, left
}

// compare tells from the losses of two probes so far which will have the lower
// score after as many steps: -1 is a, 1 is b, 0 cannot be said.
func compare(a, b []float64, steps int) int {
	var at, ratio, difference []float64
	for i := len(a) / 4; i < len(a); i++ {
		x, y := finite(a[i]), finite(b[i])
		at, ratio, difference = append(at, math.Log(float64(i+1))), append(ratio, math.Log(x/y)), append(difference, x-y)
	}
	if len(at) < 3 { // a deviation of two says nothing
		return 0
	}
	end := max(1, steps/5)
	sign := surely(ratio, end)
	if sign == 0 || surely(difference, end) != sign {
		return 0
	}
	late := 0.0 // mean log of the last fifth's steps
	for i := steps - end; i < steps; i++ {
		late += math.Log(float64(i+1)) / float64(end)
	}
	origin, slope := stat.LinearRegression(at, ratio, nil, false)
	if (origin+slope*late)*float64(sign) <= 0 {
		return 0
	}
	return sign
}

// surely returns the sign of the mean that a difference will have over end more
// steps, if what it was so far leaves no doubt, else 0.
func surely(difference []float64, end int) int {
	n := float64(len(difference))
	mean, s := stat.MeanStdDev(difference, nil)
	margin := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(sure) * s * math.Sqrt(1/n+1/float64(end))
	switch {
	case mean > margin:
		return 1
	case mean < -margin:
		return -1
	}
	return 0
}

// finite is a loss in bounds that logarithms and squares can bear: 0 is a mixer
// that does what its layer did, and what is no number is a large one.
func finite(loss float64) float64 {
	if math.IsNaN(loss) {
		return 1e30
	}
	return min(max(loss, 1e-12), 1e30)
}

// place ranks all layers: those that trained to the end by their scores, and among
// them, last to first, whoever stopped where it was then.
func (s *Scores) place(left []departure) {
	order := s.Order()
	gone := func(l int) bool {
		return slices.ContainsFunc(left, func(d departure) bool { return s.Layers[d.index].Layer == l })
	}
	order = slices.DeleteFunc(order, gone)
	for _, d := range slices.Backward(left) {
		order = slices.Insert(order, d.before, s.Layers[d.index].Layer)
	}
	for i := range s.Layers {
		s.Layers[i].Place = 1 + slices.Index(order, s.Layers[i].Layer)
	}
}
