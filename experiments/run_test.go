package experiments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/checkpoints"
	"stillhouse/distill"
	"stillhouse/recipes"
)

// oneShot is an arm that takes the layers of staged, although its own scores
// would take the first ones.
const oneShot = `    - name: one-shot
      layers_of: staged
      set:
        - {key: importance.method, value: first}
        - {key: plan.mamba_layers, value: [2]}
        - {key: phases.0.max_steps, value: 4}
`

func TestAHalfDoneAblationGoesOnToTheSameResult(t *testing.T) {
	whole := open(t, small)
	want, tally, err := whole.Run(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if tally != (Tally{Run: 4}) {
		t.Errorf("%s, want 4 run", tally)
	}

	half := open(t, small)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := &notes{each: func(line string) {
		if strings.HasPrefix(line, "cell 3/4") { // in the middle: this cell stops at its first step
			cancel()
		}
	}}
	res, tally, err := half.Run(ctx, Options{Progress: n})
	if !errors.Is(err, distill.ErrInterrupted) {
		t.Fatalf("error is %v, want an interruption", err)
	}
	if tally != (Tally{Run: 2}) || res.Count(Complete) != 2 || res.Count(Incomplete) != 1 || res.Count(Missing) != 1 {
		t.Errorf("%s; %d complete, %d incomplete, %d missing", tally, res.Count(Complete), res.Count(Incomplete), res.Count(Missing))
	}
	if _, err := os.Stat(filepath.Join(res.Dir, TableFile)); err != nil {
		t.Errorf("an interrupted ablation has no table: %v", err)
	}
	got, tally, err := half.Run(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if tally != (Tally{Run: 2, Reused: 2}) {
		t.Errorf("%s, want 2 run, 2 reused", tally)
	}
	if d := cmp.Diff(timeless(want), timeless(got)); d != "" {
		t.Error(d)
	}

	read, err := Collect(half.Recipe.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, read); d != "" {
		t.Errorf("read back without running:\n%s", d)
	}
}

// timeless takes out of a result what two ablations never share.
func timeless(r *Result) *Result {
	c := *r
	c.Dir, c.Cells = "", nil
	for _, x := range r.Cells {
		x.Dir, x.Seconds = "", 0
		c.Cells = append(c.Cells, x)
	}
	return &c
}

// TestArmsShareTheTeachersTargets: with the same seed they read the same rows, and
// every cell is examined on the same ones, so that all but the first look up what
// they have in common. The result is that of arms which run the teacher.
func TestArmsShareTheTeachersTargets(t *testing.T) {
	mmr := strings.Replace(small, "{method: random}", "{method: mmr, steps: 3}", 1)
	want, _, err := open(t, mmr).Run(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	n := &notes{}
	got, _, err := open(t, mmr, "teacher.cache.path="+t.TempDir()).Run(t.Context(), Options{Progress: n})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(timeless(want), timeless(got)); d != "" {
		t.Error(d)
	}
	var shares []string
	for _, line := range n.lines {
		if _, fact, ok := strings.Cut(line, "teacher's targets: "); ok {
			found, _, _ := strings.Cut(fact, " sequences")
			shares = append(shares, found)
		}
	}
	// The first arm's two seeds come first. A cell reads 3 steps of mmr, 2 of each of two stages, of 2 sequences, and twice
	// the one held-out batch of 2, the teacher's examination first.
	if want := "[2 of 18 4 of 18 18 of 18 18 of 18]"; fmt.Sprint(shares) != want {
		t.Errorf("from the disk came %v, want %s", shares, want)
	}
}

func TestLayersOfTakesTheLayersOfTheSourceSeedBySeed(t *testing.T) {
	a := open(t, small+oneShot, "ablations.seeds=[0,1,2]")
	// Asked for alone, it brings its source along, and nothing else.
	res, tally, err := a.Run(t.Context(), Options{Only: []string{"one-shot"}})
	if err != nil {
		t.Fatal(err)
	}
	if tally != (Tally{Run: 6}) {
		t.Errorf("%s, want 6 run", tally)
	}
	own := 0
	for _, s := range res.Seeds {
		source, cell := res.of("staged", s), res.of("one-shot", s)
		if source == nil || cell == nil {
			t.Fatalf("seed %d is not complete", s)
		}
		if !sameLayers(source.Replaced, cell.Replaced) || source.Final.Strip != cell.Final.Strip {
			t.Errorf("seed %d: one-shot replaced %v (%s), staged %v (%s)", s, cell.Replaced, cell.Final.Strip, source.Replaced, source.Final.Strip)
		}
		if source.Tokens != cell.Tokens {
			t.Errorf("seed %d: one-shot trained on %d tokens, staged on %d", s, cell.Tokens, source.Tokens)
		}
		if !sameLayers(cell.Replaced, []int{1, 2}) { // what method first takes, layer 0 being kept
			own++
		}
	}
	if own == 0 {
		t.Error("every seed's layers are those that the arm would have taken by itself: this shows nothing")
	}
	if res.of("other", 0) != nil {
		t.Error("an arm ran that was not asked for")
	}
}

func TestACellThatFailsIsReportedAndTheOthersGoOn(t *testing.T) {
	three := small + `    - name: last
      set: [{key: student.mixer.init, value: mil-fit}]
`
	a := open(t, three, "ablations.seeds=[0]")
	broken := true
	o := Options{Progress: &notes{}, distil: func(ctx context.Context, r *recipes.Recipe, d distill.Options) (*distill.Result, error) {
		if broken && strings.HasPrefix(r.Name, "other") {
			return nil, errors.New("out of luck")
		}
		return distill.Run(ctx, r, d)
	}}
	n := o.Progress.(*notes)
	res, tally, err := a.Run(t.Context(), o)
	if !errors.Is(err, ErrPartial) {
		t.Fatalf("error is %v, want ErrPartial", err)
	}
	if tally != (Tally{Run: 2, Failed: 1}) || res.Count(Failed) != 1 || res.of("last", 0) == nil {
		t.Errorf("%s, %d failed in the result", tally, res.Count(Failed))
	}
	if !n.has("cell 2/3  other seed 0: FAILED: out of luck") {
		t.Errorf("not reported: %q", n.lines)
	}
	if c := res.Comparisons[0]; c.Verdict != NotCompared {
		t.Errorf("a missing arm came to %s", c.Verdict)
	}

	// It stays failed until asked to try again.
	broken = false
	_, again, err := a.Run(t.Context(), o)
	if !errors.Is(err, ErrPartial) || again != (Tally{Reused: 2, Failed: 1}) {
		t.Errorf("without --retry: %s, %v", again, err)
	}
	o.Retry = true
	res, again, err = a.Run(t.Context(), o)
	if err != nil || again != (Tally{Run: 1, Reused: 2}) || res.of("other", 0) == nil {
		t.Errorf("with --retry: %s, %v", again, err)
	}
}

func TestACellThatAnotherProcessHoldsIsPassedOver(t *testing.T) {
	a := open(t, small, "ablations.seeds=[0]")
	held := filepath.Join(a.Recipe.OutputDir, "staged-seed-0")
	folder, err := checkpoints.CreateRun(held)
	if err != nil {
		t.Fatal(err)
	}
	res, tally, err := a.Run(t.Context(), Options{})
	if !errors.Is(err, ErrPartial) || tally != (Tally{Run: 1, Busy: 1}) {
		t.Errorf("%s, %v", tally, err)
	}
	if res.Count(Failed) != 0 {
		t.Error("a cell in other hands was noted as failed")
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	if _, tally, err = a.Run(t.Context(), Options{}); err != nil || tally != (Tally{Run: 1, Reused: 1}) {
		t.Errorf("afterwards: %s, %v", tally, err)
	}
}

func TestAChangedRecipeIsRefusedBeforeAnythingRuns(t *testing.T) {
	dir := t.TempDir()
	set := "ablations.seeds=[0]"
	if _, _, err := openIn(t, dir, small, set).Run(t.Context(), Options{}); err != nil {
		t.Fatal(err)
	}
	changed := openIn(t, dir, small, set, "train.learning_rate=0.5")
	n := &notes{}
	_, tally, err := changed.Run(t.Context(), Options{Progress: n})
	if !errors.Is(err, distill.ErrChanged) || tally != (Tally{}) || len(n.lines) > 0 {
		t.Fatalf("%s, %v, %q", tally, err, n.lines)
	}
	if want := "other-seed-0: train.learning_rate: 0.0001 → 0.5"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nlacks %q", err, want)
	}
	// More seeds change nothing that is done.
	if _, tally, err := openIn(t, dir, small, "ablations.seeds=[0,1]").Run(t.Context(), Options{}); err != nil || tally != (Tally{Run: 2, Reused: 2}) {
		t.Errorf("more seeds: %s, %v", tally, err)
	}
	// Fresh starts the arms over that it is asked for.
	if _, tally, err := openIn(t, dir, small, set, "train.learning_rate=0.5").Run(t.Context(), Options{Fresh: true, Only: []string{"other"}}); err != nil || tally != (Tally{Run: 1}) {
		t.Errorf("fresh: %s, %v", tally, err)
	}
}

func TestOpenFindsMistakesBeforeAnythingRuns(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"no ablations":   {small[strings.Index(small, "ablations:"):], "", "has no ablations"},
		"unequal tokens": {"{key: student.mixer.init, value: random}", "{key: phases.0.max_steps, value: 9}", "trains on"},
		"wrong key":      {"student.mixer.init, value", "student.mixer.int, value", "init"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.yaml")
			if err := os.WriteFile(file, []byte(strings.Replace(small, c.from, c.to, 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(file, nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
		})
	}
	a := open(t, small)
	if _, _, err := a.Run(t.Context(), Options{Only: []string{"stagd"}}); !errors.Is(err, ErrNoSuchArm) {
		t.Errorf("an arm that is not there: %v", err)
	}
}

func TestCollectOfNoAblationSaysSo(t *testing.T) {
	if _, err := Collect(t.TempDir()); !errors.Is(err, os.ErrNotExist) || !strings.Contains(fmt.Sprint(err), "hint") {
		t.Errorf("error is %v", err)
	}
}
