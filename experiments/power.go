package experiments

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// wantedPower is how often a difference should be found that is there: the
// usual four times in five.
const wantedPower = 0.8

// Power returns how often a two-sided paired t test at level alpha, on n pairs,
// finds a true mean difference of effect standard deviations of the
// differences.
//
// The t statistic is (z + effect·√n) / s with z standard normal and s² an
// independent χ²/(n-1); the power is the mean over s of the normal tails. That
// mean is taken by the midpoint rule over the quantiles of χ², which is within
// 1e-3 of the noncentral t distribution from n = 2 on.
func Power(effect float64, n int, alpha float64) float64 {
	if n < 2 || alpha <= 0 || alpha >= 1 {
		panic(fmt.Sprintf("experiments: Power: %d pairs, level %g, want 2 pairs or more and a level between 0 and 1", n, alpha))
	}
	return newPowerCurve(n, alpha).at(effect)
}

// powerCurve is the power of one test as a function of the effect.
type powerCurve struct {
	n      int
	limits []float64 // of |z + effect·√n|, by quantile of s
}

func newPowerCurve(n int, alpha float64) powerCurve {
	const points = 200
	c := powerCurve{n: n, limits: make([]float64, points)}
	freedom := float64(n - 1)
	critical := quantileT(1-alpha/2, n-1)
	chi := distuv.ChiSquared{K: freedom}
	for i := range c.limits {
		c.limits[i] = critical * math.Sqrt(chi.Quantile((float64(i)+0.5)/points)/freedom)
	}
	return c
}

func (c powerCurve) at(effect float64) float64 {
	shift, sum := math.Abs(effect)*math.Sqrt(float64(c.n)), 0.0
	for _, limit := range c.limits {
		sum += distuv.UnitNormal.Survival(limit-shift) + distuv.UnitNormal.CDF(-limit-shift)
	}
	return sum / float64(len(c.limits))
}

// DetectableEffect returns the smallest true mean difference, in the unit of
// sd, that a two-sided paired t test at level alpha on n pairs with this
// standard deviation of the differences finds four times in five.
func DetectableEffect(sd float64, n int, alpha float64) float64 {
	if n < 2 {
		panic(fmt.Sprintf("experiments: DetectableEffect: %d pairs, want 2 or more", n))
	}
	c := newPowerCurve(n, alpha)
	low, high := 0.0, 1.0
	for c.at(high) < wantedPower {
		high *= 2
	}
	for range 60 {
		if mid := (low + high) / 2; c.at(mid) < wantedPower {
			low = mid
		} else {
			high = mid
		}
	}
	return sd * high
}
