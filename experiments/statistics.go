package experiments

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// exactPairs is the largest number of pairs whose sign patterns are all looked
// at, about a million; beyond it that many are drawn.
const exactPairs = 20

// SignFlip returns the two-sided p of the paired permutation test that the
// differences are symmetric about zero: the share of all sign patterns whose
// mean is as far from zero as that of d. It is exact for up to 20 pairs; beyond,
// 2²⁰ patterns are drawn, always the same ones. No pairs give 1.
func SignFlip(d []float64) float64 {
	seen, scale := 0.0, 0.0
	for _, x := range d {
		seen += x
		scale += math.Abs(x)
	}
	// Sums that are equal in exact arithmetic must count as equal.
	bound := math.Abs(seen) - 1e-12*scale
	if len(d) > exactPairs {
		return sampledSignFlip(d, bound)
	}
	as := 0
	for pattern := range 1 << len(d) {
		sum := 0.0
		for i, x := range d {
			if pattern>>i&1 == 1 {
				x = -x
			}
			sum += x
		}
		if !(math.Abs(sum) < bound) { // a NaN counts as nothing shown
			as++
		}
	}
	return float64(as) / float64(int(1)<<len(d))
}

func sampledSignFlip(d []float64, bound float64) float64 {
	const draws = 1 << exactPairs
	r := rand.New(rand.NewPCG(uint64(len(d)), 0x51a9))
	as := 1 // the pattern seen is one of them: p is never 0 (Phipson & Smyth 2010)
	for range draws {
		sum := 0.0
		for i := 0; i < len(d); i += 64 {
			bits := r.Uint64()
			for _, x := range d[i:min(i+64, len(d))] {
				if bits&1 == 1 {
					x = -x
				}
				bits >>= 1
				sum += x
			}
		}
		if !(math.Abs(sum) < bound) { // a NaN counts as nothing shown
			as++
		}
	}
	return float64(as) / (draws + 1)
}

// SmallestP returns the least p that [SignFlip] can give for n pairs.
func SmallestP(n int) float64 {
	switch {
	case n == 0:
		return 1
	case n > exactPairs:
		return 1.0 / (1<<exactPairs + 1)
	}
	return math.Ldexp(1, 1-n)
}

// SeedsFor returns how many pairs it takes until one of m comparisons can be
// significant at level alpha after Holm's correction.
func SeedsFor(alpha float64, m int) int {
	if !(alpha > 0) || m < 1 {
		panic(fmt.Sprintf("experiments: SeedsFor: level is %g, comparisons %d, want both above 0", alpha, m))
	}
	n := 1
	for float64(m)*math.Ldexp(1, 1-n) > alpha {
		n++
	}
	return n
}

// Holm returns the p values adjusted for their number by Holm's step-down
// method (1979), in the order given: an adjusted p at or below α is rejected at
// the family-wise level α.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out, last := make([]float64, len(p)), 0.0
	for k, i := range order {
		last = max(last, min(1, float64(len(p)-k)*p[i]))
		out[i] = last
	}
	return out
}

// Interval returns the t confidence interval of the mean of d at a level such
// as 0.95. It takes two values or more, and three to be of any use.
func Interval(d []float64, level float64) (low, high float64) {
	if len(d) < 2 || level <= 0 || level >= 1 {
		panic(fmt.Sprintf("experiments: Interval: %d values, level %g, want 2 values or more and a level between 0 and 1", len(d), level))
	}
	mean, sd := stat.MeanStdDev(d, nil)
	half := quantileT(0.5+level/2, len(d)-1) * stat.StdErr(sd, float64(len(d)))
	return mean - half, mean + half
}

func quantileT(p float64, freedom int) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: float64(freedom)}.Quantile(p)
}
