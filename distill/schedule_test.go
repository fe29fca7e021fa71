package distill

import (
	"math"
	"testing"
)

func TestASchedulesRatesAreThoseOfItsFormula(t *testing.T) {
	near := func(name string, s Schedule, want map[int]float64) {
		t.Helper()
		for i, w := range want {
			if got := s.At(i); math.Abs(got-w) > 1e-15 {
				t.Errorf("%s: step %d has the rate %v, want %v", name, i, got, w)
			}
		}
	}
	near("constant", Schedule{Type: "constant", Peak: 0.3, Steps: 5}, map[int]float64{0: 0.3, 4: 0.3, 99: 0.3})
	near("constant with warm-up", Schedule{Type: "constant", Peak: 0.4, Warmup: 4, Steps: 10},
		map[int]float64{0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4, 4: 0.4, 9: 0.4})
	// (1+cos πx)/2 at x = 0, 1/4, 1/2, 3/4.
	near("cosine", Schedule{Type: "cosine", Peak: 2, Steps: 4},
		map[int]float64{0: 2, 1: 1 + math.Sqrt2/2, 2: 1, 3: 1 - math.Sqrt2/2, 4: 0, 5: 0})
	near("cosine to a tenth after warm-up", Schedule{Type: "cosine", Peak: 1, Warmup: 2, MinRatio: 0.1, Steps: 6},
		map[int]float64{0: 0.5, 1: 1, 2: 1, 4: 0.55, 6: 0.1})
	near("wsd", Schedule{Type: "wsd", Peak: 1, Warmup: 2, Decay: 0.4, MinRatio: 0.2, Steps: 10},
		map[int]float64{0: 0.5, 1: 1, 2: 1, 5: 1, 6: 0.8, 7: 0.6, 8: 0.4, 9: 0.2})
	near("wsd to nothing", Schedule{Type: "wsd", Peak: 1, Decay: 0.5, Steps: 4}, map[int]float64{1: 1, 2: 0.5, 3: 0})
	near("wsd without decay", Schedule{Type: "wsd", Peak: 1, Steps: 4}, map[int]float64{0: 1, 3: 1})
	near("only warm-up", Schedule{Type: "cosine", Peak: 1, Warmup: 4, Steps: 4}, map[int]float64{0: 0.25, 3: 1})
}

// TestARateIsNeverBelowItsFloorNorAboveItsPeak, past the end too.
func TestARateIsNeverBelowItsFloorNorAboveItsPeak(t *testing.T) {
	for _, kind := range []string{"constant", "cosine", "wsd"} {
		s := Schedule{Type: kind, Peak: 1, Warmup: 3, MinRatio: 0.1, Decay: 0.3, Steps: 20}
		for i := range 40 {
			if v := s.At(i); !(v <= 1) || i >= s.Warmup && !(v >= 0.1-1e-15) {
				t.Errorf("%s: step %d has the rate %v", kind, i, v)
			}
		}
	}
}
