package distill

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
)

// whole puts a tick at every whole number: layers, counts.
type whole struct{}

func (whole) Ticks(lo, hi float64) (ts []plot.Tick) {
	step := math.Ceil((hi - lo) / 16) // a model of 48 layers has a label every third
	for v := math.Ceil(lo); v <= hi; v += max(1, step) {
		ts = append(ts, plot.Tick{Value: v, Label: fmt.Sprintf("%.0f", v)})
	}
	return ts
}

// at puts a tick at each given value: the contexts that were measured.
type at []int

func (a at) Ticks(_, _ float64) (ts []plot.Tick) {
	for _, v := range a {
		ts = append(ts, plot.Tick{Value: float64(v), Label: shortCount(float64(v))})
	}
	return ts
}

// oneTwoFive ticks a logarithmic axis at 1, 2 and 5 times each power of ten.
type oneTwoFive struct{}

func (oneTwoFive) Ticks(lo, hi float64) (ts []plot.Tick) {
	for p := math.Pow(10, math.Floor(math.Log10(lo))); p <= hi; p *= 10 {
		for _, m := range []float64{1, 2, 5} {
			if v := m * p; v >= lo && v <= hi {
				ts = append(ts, plot.Tick{Value: v, Label: shortCount(v)})
			}
		}
	}
	return ts
}

// shortCount writes 2048 as 2k and 20000 as 20k, as axes have no room for more.
func shortCount(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.4gM", v/1e6)
	case v >= 1024 && math.Mod(v, 1024) == 0:
		return fmt.Sprintf("%.4gk", v/1024)
	case v >= 1000:
		return fmt.Sprintf("%.4gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
