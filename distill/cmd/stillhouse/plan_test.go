package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/distill"
	"stillhouse/recipes"
)

// planOf runs plan --json and returns the forecast.
func planOf(t *testing.T, want int, args ...string) distill.Forecast {
	t.Helper()
	code, out, errs := cli(append(args, "--json", "--progress", "none")...)
	if code != want {
		t.Fatalf("%v: exit %d, %s; want %d", args, code, errs, want)
	}
	var res struct{ Forecast distill.Forecast }
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatal(err)
	}
	return res.Forecast
}

func TestADryRunCreatesNothing(t *testing.T) {
	dir := inFolder(t)
	for _, line := range []string{"run tiny --dry-run", "plan tiny --no-time", "run quickstart -n --no-time", "doctor"} {
		if code, _, errs := cli(strings.Fields(line)...); code != exitOK {
			t.Errorf("%s: exit %d, %s", line, code, errs)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestAPlanSaysStagesTokensAndTime(t *testing.T) {
	inFolder(t)
	f := planOf(t, exitOK, "plan", "tiny")
	if f.Tokens != (30+4*8+4)*4*64 || len(f.Stages) != 2 || f.Stages[1].Mamba != 3 || f.State != "" {
		t.Errorf("got %+v", f)
	}
	if s := f.Stages[0]; s.Replace != nil || s.Strip != "A???" || !strings.Contains(s.By, "gate") {
		t.Errorf("scores are not there, and stage 1 is %+v", s)
	}
	if f.Time == nil || f.Time.Train <= 0 || f.Time.Scores <= 0 || f.Time.Evaluate <= 0 {
		t.Errorf("the time is %+v", f.Time)
	}
	sum := f.Teacher.Train.Seconds
	for _, s := range f.Stages {
		for _, p := range s.Phases {
			sum += p.Seconds
		}
	}
	if sum += f.Finish[0].Seconds; sum < 0.999*f.Time.Train || sum > 1.001*f.Time.Train {
		t.Errorf("the phases take %v, training %v", sum, f.Time.Train)
	}
}

func TestAPlanKnowsTheLayersOfABaseline(t *testing.T) {
	inFolder(t)
	f := planOf(t, exitOK, "plan", "tiny", "--no-time", "--set", "importance.method=manual", "--set", "importance.layers=[3,1]", "--set", "plan.rescore=null")
	if a, b := f.Stages[0], f.Stages[1]; a.Strip != "AAAM" || b.Strip != "AMMM" || len(b.Replace) != 2 || b.Replace[0] != 1 {
		t.Errorf("got %+v and %+v", a, b)
	}
	if f.Time != nil {
		t.Errorf("time was measured: %+v", f.Time)
	}
	// Three layers are kept or replaced by hand; only the last is for a score.
	f = planOf(t, exitOK, "plan", "tiny", "--no-time", "--set", "student.keep_attention=[0,2]", "--set", "plan.mamba_layers=[1,2]")
	if s := f.Stages[0].Strip; s != "A?A?" {
		t.Errorf("kept layers are drawn %q, want A?A?", s)
	}
}

func TestWhatDoesNotFitNamesTheSettingThatWould(t *testing.T) {
	inFolder(t)
	set := []string{"--set", "limits.max_memory=500MiB"}
	f := planOf(t, exitLimit, append([]string{"plan", "quickstart", "--no-time"}, set...)...)
	if f.Memory.Fits || !strings.HasPrefix(f.Memory.Setting, "--set train.per_device_train_batch_size=") {
		t.Fatalf("got %+v", f.Memory)
	}
	advice, _, _ := strings.Cut(f.Memory.Setting, " fits")
	f = planOf(t, exitOK, append(append([]string{"plan", "quickstart", "--no-time"}, set...), strings.Fields(advice)...)...)
	if !f.Memory.Fits || f.Memory.Need > f.Memory.Limit {
		t.Errorf("the advice %s does not help: %+v", advice, f.Memory)
	}
	if f := planOf(t, exitLimit, "plan", "quickstart", "--no-time", "--set", "limits.max_memory=1MiB"); !strings.Contains(f.Memory.Setting, "the weights") {
		t.Errorf("no batch size helps, and the advice is %q", f.Memory.Setting)
	}
}

func TestAPlanPrintsTheResolvedRecipe(t *testing.T) {
	dir := inFolder(t)
	_, out, _ := cli("plan", "tiny", "--no-time", "--set", "seed=11")
	recipe, rest, ok := strings.Cut(out, "\n\nteacher ")
	r, err := recipes.Load(write(t, filepath.Join(dir, "again.yaml"), recipe), nil, nil)
	if err != nil || !ok || r.Seed != 11 {
		t.Fatalf("what was printed is no recipe: %v", err)
	}
	for _, want := range []string{"trained from scratch", "new_mixers", "17k to train on", "memory", "runs/tiny (new)"} {
		if !strings.Contains(rest, want) {
			t.Errorf("the plan does not say %q:\n%s", want, rest)
		}
	}
}
