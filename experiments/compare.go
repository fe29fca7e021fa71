package experiments

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"stillhouse/recipes"
)

// Comparison holds one arm against the baseline in the compared metric, paired
// by seed. A negative difference means the arm's number is lower.
type Comparison struct {
	Arm         string    `json:"arm"`
	Seeds       []uint64  `json:"seeds"`       // that both have
	Differences []float64 `json:"differences"` // arm minus baseline, by seed
	Mean        float64   `json:"mean"`
	Low         *float64  `json:"low,omitempty"`  // of the 1-alpha t confidence interval, from three pairs on
	High        *float64  `json:"high,omitempty"` //
	P           float64   `json:"p"`              // exact sign-flip, two-sided
	Adjusted    float64   `json:"p_adjusted"`     // by the correction
	SmallestP   float64   `json:"smallest_p"`     // that this many pairs could have given
	Detectable  *float64  `json:"detectable,omitempty"`
	Verdict     Verdict   `json:"verdict"`
	Refused     string    `json:"refused,omitempty"` // why there is no comparison; P is 1 then
}

// Verdict is what a comparison comes to.
type Verdict string

// The verdicts. TooFewSeeds says that no outcome at all could have been
// significant.
const (
	Better      Verdict = "better"
	Worse       Verdict = "worse"
	NotShown    Verdict = "no difference shown"
	TooFewSeeds Verdict = "too few seeds to tell"
	NotCompared Verdict = "not compared"
)

// moreIsBetter reports whether a metric should be high.
func moreIsBetter(metric string) bool {
	return strings.HasSuffix(metric, "agreement") || strings.Contains(metric, ".")
}

// compare fills in the comparisons and the notes about them.
func (r *Result) compare(equalTokens bool) {
	for _, a := range r.Arms {
		if a.Name == r.Baseline {
			continue
		}
		r.Comparisons = append(r.Comparisons, r.pair(a.Name, equalTokens))
	}
	// The family is what the recipe asks for: an arm that failed, or was not run
	// yet, does not make the others more significant.
	ps := make([]float64, len(r.Comparisons))
	for i, c := range r.Comparisons {
		ps[i] = c.P
	}
	if r.Correction == "holm" {
		ps = Holm(ps)
	}
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		if c.Adjusted = ps[i]; c.Refused == "" {
			c.Verdict = r.verdict(*c)
		}
	}
	r.noteSeeds()
	for _, c := range r.Comparisons {
		if c.Refused != "" {
			r.Notes = append(r.Notes, fmt.Sprintf("%s is not compared: %s.", c.Arm, c.Refused))
		}
	}
}

// familySize is what the smallest p is multiplied by.
func (r *Result) familySize() int {
	if r.Correction != "holm" {
		return 1
	}
	return max(1, len(r.Comparisons))
}

func (r *Result) verdict(c Comparison) Verdict {
	switch {
	case float64(r.familySize())*c.SmallestP > r.Alpha:
		return TooFewSeeds
	case c.Adjusted > r.Alpha:
		return NotShown
	case c.Mean > 0 == moreIsBetter(r.Metric):
		return Better
	}
	return Worse
}

// pair holds an arm against the baseline, uncorrected.
func (r *Result) pair(arm string, equalTokens bool) Comparison {
	c := Comparison{Arm: arm, P: 1, Adjusted: 1, SmallestP: 1, Verdict: NotCompared}
	for _, s := range r.Seeds {
		x, y := r.of(arm, s), r.of(r.Baseline, s)
		if x == nil || y == nil {
			continue
		}
		if c.Refused = unfair(x, y, equalTokens); c.Refused != "" {
			return c
		}
		v, ok := x.Final.Metric(r.Metric)
		w, also := y.Final.Metric(r.Metric)
		if !ok || !also {
			c.Refused = fmt.Sprintf("seed %d has no %s", s, r.Metric)
			return c
		}
		c.Seeds, c.Differences = append(c.Seeds, s), append(c.Differences, v-w)
	}
	n := len(c.Differences)
	if n == 0 {
		c.Refused = fmt.Sprintf("it has no complete cell with a seed that %s has too", r.Baseline)
		return c
	}
	mean, sd := c.Differences[0], 0.0
	if n > 1 {
		mean, sd = stat.MeanStdDev(c.Differences, nil)
		effect := DetectableEffect(sd, n, r.Alpha)
		c.Detectable = &effect
	}
	if n > 2 {
		low, high := Interval(c.Differences, 1-r.Alpha)
		c.Low, c.High = &low, &high
	}
	c.Mean, c.P, c.SmallestP = mean, SignFlip(c.Differences), SmallestP(n)
	return c
}

// unfair returns why two cells cannot be held against each other.
func unfair(x, y *Cell, equalTokens bool) string {
	// Whole steps do not come out even: one part in a hundred is allowed.
	if equalTokens && math.Abs(float64(x.Tokens-y.Tokens)) > 0.01*float64(y.Tokens) {
		return fmt.Sprintf("with seed %d it trained on %d tokens, %s on %d, and equal_tokens is true", x.Seed, x.Tokens, y.Arm, y.Tokens)
	}
	same := x.Final.Tokens == y.Final.Tokens && len(x.Final.Tasks) == len(y.Final.Tasks)
	for i := range x.Final.Tasks {
		same = same && x.Final.Tasks[i].Items == y.Final.Tasks[i].Items
	}
	if !same {
		return fmt.Sprintf("with seed %d it was examined on other held-out data than %s: eval or data.validation has changed between the two (hint: --fresh --only %s)", x.Seed, y.Arm, x.Arm)
	}
	return ""
}

// noteSeeds says plainly what the number of seeds rules out.
func (r *Result) noteSeeds() {
	fewest := 0
	for _, c := range r.Comparisons {
		if n := len(c.Differences); c.Refused == "" && (fewest == 0 || n < fewest) {
			fewest = n
		}
	}
	if fewest == 0 {
		return
	}
	m := r.familySize()
	note := fmt.Sprintf("%s cannot reach p < %s", plural(fewest, "seed"), probability(SmallestP(fewest)))
	if m > 1 {
		note += fmt.Sprintf(", or %s after Holm's correction over %s", probability(min(1, float64(m)*SmallestP(fewest))), plural(m, "comparison"))
	}
	if enough := SeedsFor(r.Alpha, m); fewest < enough {
		note += fmt.Sprintf(": no outcome could have been significant at %g. That takes %d seeds", r.Alpha, enough)
	}
	r.Notes = append(r.Notes, note+".")
}

// checkLayers notes the arms whose layers are not those of their source.
func (r *Result) checkLayers(arms []recipes.Arm) {
	for _, a := range arms {
		if a.LayersOf == "" {
			continue
		}
		for _, s := range r.Seeds {
			x, y := r.of(a.Name, s), r.of(a.LayersOf, s)
			if x != nil && y != nil && !sameLayers(x.Replaced, y.Replaced) {
				r.Notes = append(r.Notes, fmt.Sprintf("%s with seed %d replaced layers %v, %s %v: they should be the same (hint: --fresh --only %s).", a.Name, s, x.Replaced, a.LayersOf, y.Replaced, a.Name))
			}
		}
	}
}

// sameLayers compares two orders as sets.
func sameLayers(a, b []int) bool {
	x, y := slices.Clone(a), slices.Clone(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// probability writes a p value with as many digits as it deserves.
func probability(p float64) string {
	if p < 0.001 {
		return fmt.Sprintf("%.1g", p)
	}
	return fmt.Sprintf("%.3g", p)
}
