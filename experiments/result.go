package experiments

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"stillhouse/recipes"
)

// schemaVersion is that of results.json.
const schemaVersion = 1

// Result is an ablation as it stands: every cell, every arm, every comparison.
type Result struct {
	Schema      int          `json:"schema_version"`
	Name        string       `json:"name"`
	Dir         string       `json:"dir"`
	Seeds       []uint64     `json:"seeds"`
	Metric      string       `json:"metric"` // that is compared
	Baseline    string       `json:"baseline"`
	Correction  string       `json:"correction"`
	Alpha       float64      `json:"alpha"`
	Metrics     []string     `json:"metrics"` // the columns of the table
	Cells       []Cell       `json:"cells"`
	Arms        []Arm        `json:"arms"`
	Comparisons []Comparison `json:"comparisons"`
	Notes       []string     `json:"notes"` // what a reader must know before believing the table
}

// Arm is one variant over its seeds.
type Arm struct {
	Name      string    `json:"name"`
	Seeds     int       `json:"seeds"` // complete ones
	Tokens    int64     `json:"tokens"`
	Summaries []Summary `json:"summaries"` // one a metric, in the order of Result.Metrics
}

// Summary is one metric of one arm: NaN never occurs, an arm without a complete
// cell has no summaries.
type Summary struct {
	Metric string  `json:"metric"`
	Mean   float64 `json:"mean"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// ablationFile holds the resolved recipe of an ablation. It has a name of its
// own so that the folder is not taken for a run.
const ablationFile = "ablation.yaml"

// Collect makes the result of an ablation from its folder, without running
// anything. The error wraps fs.ErrNotExist when the folder holds none.
func Collect(dir string) (*Result, error) {
	file := filepath.Join(dir, ablationFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no folder of an ablation: %w (hint: stillhouse ablate RECIPE makes one)", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the ablation: %w", err)
	}
	r, err := recipes.Parse(file, b, nil, nil)
	if err != nil {
		return nil, err
	}
	if r.Ablations == nil {
		return nil, fmt.Errorf("%s: %w", file, ErrNoAblations)
	}
	var cells []Cell
	for _, arm := range r.Ablations.Arms { // in the order of the recipe, not of running
		for _, seed := range r.Ablations.Seeds {
			c := recipes.Cell{Arm: arm.Name, Seed: seed}
			cell, err := readCell(filepath.Join(dir, cellName(c)), c)
			if err != nil {
				return nil, err
			}
			cells = append(cells, cell)
		}
	}
	return summarise(r, dir, cells), nil
}

// summarise is the arithmetic of Collect.
func summarise(r *recipes.Recipe, dir string, cells []Cell) *Result {
	a := r.Ablations
	res := &Result{
		Schema: schemaVersion, Name: r.Name, Dir: dir, Seeds: a.Seeds, Metric: a.Compare.Metric, Baseline: a.Compare.Baseline,
		Correction: a.Compare.Correction, Alpha: a.Compare.Alpha, Metrics: columns(r), Cells: cells,
	}
	for _, arm := range a.Arms {
		res.Arms = append(res.Arms, res.summary(arm.Name))
	}
	res.compare(a.EqualTokens)
	res.checkLayers(a.Arms)
	return res
}

// columns returns the metrics of the table: the compared one first, then those
// that always matter, then each task, by generation where it is asked so.
func columns(r *recipes.Recipe) []string {
	want := []string{r.Ablations.Compare.Metric, "val_kl", "val_perplexity", "val_top1_agreement"}
	known := map[string]bool{}
	for _, m := range r.Eval.MetricNames() {
		known[m] = true
	}
	for _, t := range r.Eval.Tasks {
		if m := t.Name + ".generate"; known[m] {
			want = append(want, m)
		} else {
			want = append(want, t.Name+".loglikelihood")
		}
	}
	var out []string
	seen := map[string]bool{}
	for _, m := range want {
		if !seen[m] {
			out = append(out, m)
		}
		seen[m] = true
	}
	return out
}

// of returns the complete cell of an arm and seed, nil if there is none.
func (r *Result) of(arm string, seed uint64) *Cell {
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Arm == arm && c.Seed == seed && c.Status == Complete {
			return c
		}
	}
	return nil
}

// values returns a metric of an arm by seed, complete cells only.
func (r *Result) values(arm, metric string) (vs []float64) {
	for _, s := range r.Seeds {
		if c := r.of(arm, s); c != nil {
			if v, ok := c.Final.Metric(metric); ok {
				vs = append(vs, v)
			}
		}
	}
	return vs
}

func (r *Result) summary(arm string) Arm {
	a := Arm{Name: arm}
	for _, s := range r.Seeds {
		if c := r.of(arm, s); c != nil {
			a.Seeds++
			a.Tokens = c.Tokens
		}
	}
	for _, m := range r.Metrics {
		vs := r.values(arm, m)
		if len(vs) == 0 {
			continue
		}
		s := Summary{Metric: m, Min: math.Inf(1), Max: math.Inf(-1)}
		for _, v := range vs {
			s.Mean += v / float64(len(vs))
			s.Min, s.Max = min(s.Min, v), max(s.Max, v)
		}
		a.Summaries = append(a.Summaries, s)
	}
	return a
}

// Count returns how many cells stand so.
func (r *Result) Count(s Status) (n int) {
	for _, c := range r.Cells {
		if c.Status == s {
			n++
		}
	}
	return n
}
