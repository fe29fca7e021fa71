package experiments

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/distill"
	"stillhouse/recipes"
)

var update = flag.Bool("update", false, "write the golden files again")

// madeResult is a result with the recipe that it came of.
type madeResult struct {
	*Result
	recipe *recipes.Recipe
}

// again makes the comparisons anew after cells were changed.
func (m madeResult) again(equalTokens bool) {
	m.Comparisons, m.Notes = nil, nil
	m.compare(equalTokens)
}

// made builds a result of the arms a, b, … from KL values by arm and seed.
func made(t *testing.T, values [][]float64, set ...string) madeResult {
	t.Helper()
	var arms, seeds []string
	for i := range values {
		arms = append(arms, fmt.Sprintf(`{name: %c, set: [{key: train.weight_decay, value: 0.%d}]}`, 'a'+i, i))
	}
	for s := range values[0] {
		seeds = append(seeds, fmt.Sprint(s))
	}
	text := fmt.Sprintf("version: 1\nextends: tiny\nname: made\nablations: {seeds: [%s], arms: [%s]}\n", strings.Join(seeds, ", "), strings.Join(arms, ", "))
	r, err := recipes.Parse("made.yaml", []byte(text), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	var cells []Cell
	for i, vs := range values {
		for s, v := range vs {
			cells = append(cells, Cell{
				Arm: string(rune('a' + i)), Seed: uint64(s), Status: Complete, Replaced: []int{1, 2, 3}, Tokens: 8192, Scoring: 1024, Seconds: 12.4,
				Teacher: evaluation("AAAA", 0, 8), Final: evaluation("AMMM", v, 8-i),
			})
		}
	}
	return madeResult{summarise(r, "runs/made", cells), r}
}

func evaluation(strip string, kl float64, correct int) *distill.Evaluation {
	return &distill.Evaluation{
		Strip: strip, Tokens: 1000, Perplexity: 3 + kl, KL: kl, Agreement: 1 - kl,
		Tasks: []distill.TaskResult{
			{Task: "recall", Mode: "generate", Items: 8, Correct: correct},
			{Task: "arithmetic", Mode: "generate", Items: 8, Correct: 4},
		},
	}
}

func TestTableTellsWhatCanAndCannotBeConcluded(t *testing.T) {
	r := made(t, [][]float64{{0.30, 0.32, 0.31}, {0.35, 0.38, 0.36}, {0.31, 0.30, 0.31}})
	c := &r.Cells[8]
	*c = Cell{Arm: c.Arm, Seed: c.Seed, Status: Failed, Error: "phase all step 3: loss NaN"}
	golden(t, "table.md", summarise(r.recipe, r.Dir, r.Cells).Markdown())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (go test ./experiments -run %s -update writes it again):\n%s", file, t.Name(), d)
	}
}

func TestThreeSeedsAreTooFewWhateverTheyShow(t *testing.T) {
	r := made(t, [][]float64{{0.1, 0.1, 0.1}, {9, 9.1, 9.2}})
	c := r.Comparisons[0]
	if c.P != 0.25 || c.SmallestP != 0.25 || c.Verdict != TooFewSeeds {
		t.Errorf("p %g, smallest %g, %s", c.P, c.SmallestP, c.Verdict)
	}
	if want := "3 seeds cannot reach p < 0.25: no outcome could have been significant at 0.05. That takes 6 seeds."; r.Notes[0] != want {
		t.Errorf("note is %q, want %q", r.Notes[0], want)
	}
}

func TestSevenSeedsFindWhatIsThere(t *testing.T) {
	base := []float64{0.30, 0.31, 0.32, 0.33, 0.34, 0.35, 0.36}
	worse, better, equal := make([]float64, 7), make([]float64, 7), make([]float64, 7)
	for i, v := range base {
		worse[i], better[i], equal[i] = v+0.1+0.001*float64(i), v-0.1-0.001*float64(i), v+0.01*float64(i%2*2-1)
	}
	r := made(t, [][]float64{base, worse, better, equal})
	var got []Verdict
	for _, c := range r.Comparisons {
		got = append(got, c.Verdict)
	}
	if d := cmp.Diff([]Verdict{Worse, Better, NotShown}, got); d != "" {
		t.Error(d)
	}
	// Three comparisons: 3·2/2⁷ for the smallest, and its equal follows it.
	if a := r.Comparisons[0].Adjusted; a != 6./128 {
		t.Errorf("adjusted p is %g, want %g", a, 6./128)
	}
	if d := r.Comparisons[0]; *d.Low > 0.103 || *d.High < 0.103 || *d.Low < 0.1 {
		t.Errorf("interval is %g to %g around %g", *d.Low, *d.High, d.Mean)
	}
}

func TestMoreIsBetterForAccuracies(t *testing.T) {
	r := made(t, [][]float64{{1, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 2, 2}}, "ablations.compare.metric=recall.generate")
	// Arm b answers one item of eight less, with every seed.
	if c := r.Comparisons[0]; c.Mean != -0.125 || c.Verdict != Worse {
		t.Errorf("difference %g, %s", c.Mean, c.Verdict)
	}
}

func TestArmsThatAreAlikeAreRarelyCalledDifferent(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const draws = 500
	res := made(t, [][]float64{make([]float64, 7), make([]float64, 7), make([]float64, 7), make([]float64, 7)})
	called := 0
	for range draws {
		for s := range uint64(7) {
			shared := r.NormFloat64() // what a seed does to all arms cancels in the pairs
			for i := range res.Arms {
				res.of(res.Arms[i].Name, s).Final.KL = shared + 0.1*r.NormFloat64()
			}
		}
		res.again(true)
		for _, c := range res.Comparisons {
			if c.Verdict == Better || c.Verdict == Worse {
				called++
				break
			}
		}
	}
	// The whole family of three, not each: Holm's promise. Two standard errors.
	if rate := float64(called) / draws; rate > 0.05+0.02 {
		t.Errorf("some arm was called different in %.1f %% of %d experiments without a difference", 100*rate, draws)
	}
}

func TestArmsOfUnequalTokensAreNotCompared(t *testing.T) {
	r := made(t, [][]float64{{0.1, 0.2}, {0.3, 0.4}, {0.3, 0.4}})
	for i := range r.Cells {
		if r.Cells[i].Arm == "b" {
			r.Cells[i].Tokens = 9000
		}
	}
	r.again(true)
	if c := r.Comparisons[0]; c.Verdict != NotCompared || !strings.Contains(c.Refused, "9000 tokens, a on 8192") {
		t.Errorf("%s: %s", c.Verdict, c.Refused)
	}
	if r.Comparisons[1].Refused != "" {
		t.Error("the other arm was refused too")
	}
	r.again(false)
	if r.Comparisons[0].Refused != "" {
		t.Error("refused although equal_tokens is false")
	}
}

func TestCellsExaminedDifferentlyAreNotCompared(t *testing.T) {
	r := made(t, [][]float64{{0.1}, {0.3}})
	r.Cells[1].Final.Tasks[0].Items = 100
	r.again(true)
	if c := r.Comparisons[0]; !strings.Contains(c.Refused, "other held-out data") {
		t.Errorf("%s: %q", c.Verdict, c.Refused)
	}
}

func TestOnlySeedsThatBothHaveArePaired(t *testing.T) {
	r := made(t, [][]float64{{0.1, 0.2, 0.3}, {0.4, 0.5, 0.6}})
	r.Cells[0].Status, r.Cells[4].Status = Missing, Incomplete
	r.again(true)
	if d := cmp.Diff([]uint64{2}, r.Comparisons[0].Seeds); d != "" {
		t.Error(d)
	}
}

func TestFigureShowsADotForEverySeed(t *testing.T) {
	r := made(t, [][]float64{{0.30, 0.32, 0.31}, {0.35, 0.38, 0.36}})
	svg, err := r.Figure()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		c, _, _, _ := distill.FigureColor(i).RGBA()
		if fill := fmt.Sprintf("#%02X", c>>8); strings.Count(string(svg), "fill:"+fill) < 3 {
			t.Errorf("arm %d: fewer than three dots in its colour %s…", i, fill)
		}
	}
	for i := range r.Cells {
		r.Cells[i].Status = Missing
	}
	if svg, err := r.Figure(); svg != nil || err != nil {
		t.Errorf("a figure of nothing: %d bytes, %v", len(svg), err)
	}
}

func TestAnArmThatFailedDoesNotMakeTheOthersSignificant(t *testing.T) {
	base, worse := []float64{1, 1, 1, 1, 1, 1}, []float64{2, 2, 2, 2, 2, 2}
	r := made(t, [][]float64{base, worse, base})
	for i := range r.Cells {
		if r.Cells[i].Arm == "c" {
			r.Cells[i].Status = Failed
		}
	}
	r.again(true)
	// Six seeds would do for one comparison; the recipe asks for two.
	if c := r.Comparisons[0]; c.Adjusted != 2*2./64 || c.Verdict != TooFewSeeds {
		t.Errorf("adjusted p %g, %s", c.Adjusted, c.Verdict)
	}
}
