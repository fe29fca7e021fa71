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
// Two probes are compared by the gap log(a/b) of their losses, step by step. All
// probes see the same batches, whose difficulty varies more than most layers do and
// falls out of the gap in part; and losses are ratios by nature: each falls to a
// share of itself. What is asked for is the mean gap over the last fifth of all
// steps, which makes the score. Two things stand between it and the gap so far:
//
//   - The batches. Over n steps so far the gap has mean m and deviation s; the last
//     fifth, of e steps, will differ from m by s·√(1/n + 1/e), were the gap not
//     moving. |m| must be more than that by Student's t at n-1 degrees of freedom.
//     A gap that moves has a larger s, too.
//   - What is yet to be learnt. Losses are about powers of the step, so gaps are
//     about straight lines against its logarithm: the line fitted to the gap must
//     have the sign of m over the last fifth, too.
//
// The first quarter of the steps so far is left out: a warm-up tells of the
// initialiser. Each probe that goes saves what its layer costs, a pass forward and
// back through all above it; the deepest, the dearest, are those most often far
// from the rest.

const (
	looks = 16    // about as many times in a race is asked who is settled
	sure  = 0.977 // probability, one-sided, with which the batches must agree; two deviations of a normal
)

// departure is a probe that stopped, and how many of those that trained on then
// rank before it.
type departure struct{ index, before int }

// settle returns who of alive trains on, and left with those that do not.
func settle(alive []int, left []departure, losses [][]float64, steps int) ([]int, []departure) {
	ahead := func(a, b int) bool { return gapOf(losses[a], losses[b], steps).mean < 0 }
	var stops []int
	for _, a := range alive {
		if !slices.ContainsFunc(alive, func(b int) bool { return a != b && !gapOf(losses[a], losses[b], steps).settled() }) {
			stops = append(stops, a)
		}
	}
	for _, a := range stops {
		alive = slices.DeleteFunc(slices.Clone(alive), func(b int) bool { return b == a })
		d := departure{index: a}
		for _, b := range alive {
			if ahead(b, a) {
				d.before++
			}
		}
		left = append(left, d)
	}
	return alive, left
}

// gap is what the losses of two probes so far say of log(a/b) at the end.
type gap struct {
	mean   float64 // so far
	margin float64 // of the mean as that over the last fifth
	ahead  float64 // what the trend makes of it by then
}

// settled reports whether the sign will stay.
func (g gap) settled() bool { return math.Abs(g.mean) > g.margin && g.ahead*g.mean > 0 }

// gapOf compares the losses of two probes after as many of the steps.
func gapOf(a, b []float64, steps int) gap {
	from, end := len(a)/4, max(1, steps/5)
	var at, gaps []float64
	for i := from; i < len(a); i++ {
		at, gaps = append(at, math.Log(float64(i+1))), append(gaps, logLoss(a[i])-logLoss(b[i]))
	}
	n := float64(len(gaps))
	if n < 3 { // a deviation of two says nothing
		return gap{margin: math.Inf(1)}
	}
	mean, s := stat.MeanStdDev(gaps, nil)
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(sure)
	late := 0.0 // mean log of the last steps
	for i := steps - end; i < steps; i++ {
		late += math.Log(float64(i+1)) / float64(end)
	}
	origin, slope := stat.LinearRegression(at, gaps, nil, false)
	return gap{mean: mean, margin: t * s * math.Sqrt(1/n+1/float64(end)), ahead: origin + slope*late}
}

// logLoss is the logarithm of a loss, of 0 as if it were tiny (a mixer that does
// what its layer did) and of what is no number as if it were huge.
func logLoss(v float64) float64 {
	if math.IsNaN(v) {
		v = math.MaxFloat64
	}
	return math.Log(min(max(v, 1e-12), math.MaxFloat64))
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
