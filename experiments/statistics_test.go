package experiments

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// darwin is the height of cross-fertilised over self-fertilised maize in eighths
// of an inch, the data that Fisher introduced the test with (The Design of
// Experiments, 1935, §17).
var darwin = []float64{49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48}

func TestSignFlipGivesFishersCountForDarwinsMaize(t *testing.T) {
	// §21: of 32768 patterns 835 exceed 314 and 28 equal it; both tails count.
	if got, want := SignFlip(darwin), 2*863.0/32768; got != want {
		t.Errorf("p is %g, want %g", got, want)
	}
}

func TestSignFlipByHand(t *testing.T) {
	for _, c := range []struct {
		d    []float64
		want float64
	}{
		{nil, 1},
		{[]float64{1, 2, math.NaN()}, 1},
		{[]float64{3}, 1},
		{[]float64{0, 0, 0}, 1},
		{[]float64{1, 2, 3}, 0.25},         // all of one sign: 2 of 8
		{[]float64{-1, -2, -3}, 0.25},      // two-sided
		{[]float64{1, -1}, 1},              // mean zero
		{[]float64{1, 2, 3, -4}, 14. / 16}, // 10-2s for s the sum of a subset of 1..4; |10-2s| < 2 for the two with s = 5
		{[]float64{0.1, 0.2, -0.3}, 1},     // zero but for rounding
		{[]float64{1, 1, 1, 0}, 4. / 16},   // a pair without a difference halves nothing
	} {
		if got := SignFlip(c.d); got != c.want {
			t.Errorf("SignFlip(%v) is %g, want %g", c.d, got, c.want)
		}
	}
}

func TestSignFlipNeverGoesBelowTheSmallestP(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SliceOfN(rapid.Float64Range(-1e3, 1e3), 1, 10).Draw(t, "differences")
		if p := SignFlip(d); p < SmallestP(len(d)) || p > 1 {
			t.Errorf("p of %v is %g, smallest %g", d, p, SmallestP(len(d)))
		}
	})
}

func TestSampledSignFlipAgreesWithTheExactOne(t *testing.T) {
	sum := 0.0
	for _, x := range darwin {
		sum += x
	}
	if got, want := sampledSignFlip(darwin, sum-1e-9), SignFlip(darwin); math.Abs(got-want) > 1e-3 {
		t.Errorf("sampled p is %g, exact %g", got, want)
	}
	many := make([]float64, 70) // more than one word of random bits
	for i := range many {
		many[i] = 1
	}
	if p := SignFlip(many); p > 1e-6 {
		t.Errorf("seventy differences of one sign have p %g", p)
	}
}

func TestHolmAdjustsAsInTheTextbook(t *testing.T) {
	// The standard example: at 0.05 the hypotheses 1 and 4 fall, 2 and 3 stay.
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	if d := cmp.Diff([]float64{0.03, 0.06, 0.06, 0.02}, got, cmpopts.EquateApprox(1e-12, 0)); d != "" {
		t.Error(d)
	}
	// Never above 1, and equal p stay equal.
	if d := cmp.Diff([]float64{1, 1, 1}, Holm([]float64{0.5, 0.5, 0.9})); d != "" {
		t.Error(d)
	}
}

func TestHolmLiesBetweenNoCorrectionAndBonferroni(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 8).Draw(t, "p")
		for i, a := range Holm(p) {
			if a < p[i] || a > min(1, float64(len(p))*p[i])+1e-12 {
				t.Errorf("p[%d] = %g became %g of %d", i, p[i], a, len(p))
			}
		}
	})
}

func TestIntervalIsThatOfDarwinsMaize(t *testing.T) {
	// t(0.975, 14) = 2.1448, mean 20.933, standard error 9.7454.
	low, high := Interval(darwin, 0.95)
	if math.Abs(low-0.031) > 0.01 || math.Abs(high-41.835) > 0.01 {
		t.Errorf("interval is %.4f to %.4f, want 0.031 to 41.835", low, high)
	}
}

func TestSeedsForIsTheFirstNumberThatCanReachTheLevel(t *testing.T) {
	for _, c := range []struct{ m, want int }{{1, 6}, {2, 7}, {3, 7}, {4, 8}} { // 2m/2ⁿ ≤ 0.05
		if got := SeedsFor(0.05, c.m); got != c.want {
			t.Errorf("%d comparisons take %d seeds, want %d", c.m, got, c.want)
		}
	}
}

func TestPowerIsThatOfTheNoncentralT(t *testing.T) {
	// G*Power's example of matched pairs: dz 0.5, two-sided 0.05, n = 34
	// gives an actual power of 0.8077775.
	if got := Power(0.5, 34, 0.05); math.Abs(got-0.80778) > 1e-3 {
		t.Errorf("power is %.5f, want 0.80778", got)
	}
	for _, n := range []int{2, 3, 5, 20} { // without an effect it is the level
		if got := Power(0, n, 0.05); math.Abs(got-0.05) > 1e-3 {
			t.Errorf("%d pairs: power without an effect is %.5f, want 0.05", n, got)
		}
	}
}

func TestPowerMatchesSimulationWithThreePairs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	const draws, effect = 20000, 3.0
	found := 0
	for range draws {
		d := []float64{r.NormFloat64() + effect, r.NormFloat64() + effect, r.NormFloat64() + effect}
		if low, high := Interval(d, 0.95); low > 0 || high < 0 {
			found++
		}
	}
	if got, want := Power(effect, 3, 0.05), float64(found)/draws; math.Abs(got-want) > 0.01 {
		t.Errorf("power is %.4f, simulated %.4f", got, want)
	}
}

func TestDetectableEffectIsFoundFourTimesInFive(t *testing.T) {
	for _, n := range []int{3, 7, 30} {
		e := DetectableEffect(2, n, 0.05)
		if got := Power(e/2, n, 0.05); math.Abs(got-0.8) > 1e-6 {
			t.Errorf("%d pairs: the detectable effect has power %g", n, got)
		}
	}
	if e := DetectableEffect(0, 3, 0.05); e != 0 {
		t.Errorf("without noise every effect is detectable, got %g", e)
	}
}

func TestTheSameConfigurationTwiceIsRarelyCalledDifferent(t *testing.T) {
	const draws = 4000
	shapes := map[string]func(r *rand.Rand) float64{
		"normal": (*rand.Rand).NormFloat64,
		"cauchy": func(r *rand.Rand) float64 { return r.NormFloat64() / r.NormFloat64() },
		"coarse": func(r *rand.Rand) float64 { return float64(r.IntN(5) - 2) }, // task counts: many ties and zeros
	}
	for name, draw := range shapes {
		for n := 6; n <= 9; n++ {
			r := rand.New(rand.NewPCG(uint64(n), 1))
			called, d := 0, make([]float64, n)
			for range draws {
				for i := range d {
					d[i] = draw(r)
				}
				if SignFlip(d) <= 0.05 {
					called++
				}
			}
			// At most 5 % by construction; two standard errors for the draws.
			if rate := float64(called) / draws; rate > 0.05+0.007 || name == "normal" && rate < 0.02 {
				t.Errorf("%s, %d pairs: called different in %.1f %% of %d", name, n, 100*rate, draws)
			}
		}
	}
}
