package distill

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stillhouse/checkpoints"
)

// shortRecipe leaves out what a test of the run's course does not look at.
var shortRecipe = []string{"eval.tasks=[]", "eval.contexts=[]", "finish=[]", "plan.rescore=null", "teacher.train.max_steps=5"}

func TestAFailedGateStopsTheRunAndKeepsTheStage(t *testing.T) {
	r := tinyRecipe(t, append(shortRecipe, "stages=[{gate: {metric: val_kl, max: 0}}]")...)
	l := &listener{}
	res, err := Run(t.Context(), r, Options{Progress: l})
	if !errors.Is(err, ErrGate) || !strings.Contains(err.Error(), "val_kl") || !strings.Contains(err.Error(), "stage 1") {
		t.Fatalf("got %v, want ErrGate that names the metric and the stage", err)
	}
	if res.Complete || len(res.Plan.Stages) != 1 {
		t.Errorf("the run went on: %+v", res.Plan)
	}
	folder, err := checkpoints.ViewRun(r.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if c, err := checkpoints.Find(folder, "stage-1"); err != nil || c.State.Stage != 1 {
		t.Errorf("the stage's checkpoint: %v %v", c, err)
	}
	if _, err := Run(t.Context(), r, Options{}); !errors.Is(err, ErrGate) {
		t.Errorf("run again: got %v, want ErrGate", err)
	}

	// A gate may be moved: then the run goes on from the stage it has.
	wider := *r
	wider.Stages = append(wider.Stages[:0:0], r.Stages...)
	gate, wide := *r.Stages[0].Gate, 10.0
	gate.Max = &wide
	wider.Stages[0].Gate = &gate
	l = &listener{}
	runAll(t, &wider, Options{Progress: l})
	if !l.says("resumed at stage 1") || !l.says("stages.0.gate.max", "harmless") {
		t.Errorf("it did not go on from stage 1: %q", l.notes)
	}
}

func TestAGateThatWarnsLetsTheRunGoOn(t *testing.T) {
	r := tinyRecipe(t, append(shortRecipe, "stages=[{gate: {metric: val_top1_agreement, min: 2, on_fail: warn}}]")...)
	l := &listener{}
	runAll(t, r, Options{Progress: l})
	if !l.says("warning", "val_top1_agreement") {
		t.Errorf("no warning: %q", l.notes)
	}
	if n := countEvents(t, r.OutputDir, "gate"); n != 1 {
		t.Errorf("%d gate events, want 1", n)
	}
}

func countEvents(t *testing.T, dir, kind string) (n int) {
	t.Helper()
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	events, err := readEvents(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type == kind {
			n++
		}
	}
	return n
}

// TestATimeLimitSavesTheStateAndCountsAllSessions reaches the limit, is no
// further a session later, and ends as ever once the limit is gone.
func TestATimeLimitSavesTheStateAndCountsAllSessions(t *testing.T) {
	r := tinyRecipe(t, "limits.max_time=1s")
	wait := &listener{hear: func(what string, done int) {
		if what == "teacher" && done == 3 {
			time.Sleep(time.Second)
		}
	}}
	if _, err := Run(t.Context(), r, Options{Progress: wait}); !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "limits.max_time") {
		t.Fatalf("got %v, want ErrLimit that names limits.max_time", err)
	}
	l := &listener{}
	if _, err := Run(t.Context(), r, Options{Progress: l}); !errors.Is(err, ErrLimit) {
		t.Fatalf("a second session has time again: %v", err)
	}
	if !l.says("resumed at stage 0 step 3") {
		t.Errorf("the state was not saved at the limit: %q", l.notes)
	}
	free := *r
	free.Limits.MaxTime = 0
	l = &listener{}
	mustEqual(t, r, runAll(t, &free, Options{Progress: l}))
	if !l.says("resumed at stage 0 step 3") {
		t.Errorf("the second session went on: %q", l.notes)
	}
}

func TestARunThatDoesNotFitIsRefusedBeforeItTrains(t *testing.T) {
	r := load(t, filepath.Join(t.TempDir(), "run"), append(shortRecipe[:4:4], "limits.max_memory=1KiB", "teacher.train=null", "teacher.path=embedded:teacher")...)
	_, err := Run(t.Context(), r, Options{})
	if !errors.Is(err, ErrLimit) || !strings.Contains(err.Error(), "limits.max_memory") || !strings.Contains(err.Error(), "hint") {
		t.Errorf("got %v, want ErrLimit with the two figures and a hint", err)
	}
	if n := countEvents(t, r.OutputDir, "step"); n != 0 {
		t.Errorf("%d steps were taken", n)
	}
}

func TestFreshStartsOver(t *testing.T) {
	r := tinyRecipe(t, shortRecipe...)
	runAll(t, r, Options{})
	stray := filepath.Join(r.OutputDir, "stray")
	if err := os.WriteFile(stray, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	l := &listener{}
	res := runAll(t, r, Options{Fresh: true, Progress: l})
	if res.Reused || l.says("resumed") {
		t.Error("something of the earlier run was used")
	}
	if _, err := os.Stat(stray); err == nil {
		t.Error("the earlier run's files are still there")
	}
}

// TestAFolderThatIsNoRunIsLeftAlone: --fresh with the wrong output_dir must not
// remove somebody's files, nor a run begin among them.
func TestAFolderThatIsNoRunIsLeftAlone(t *testing.T) {
	r := tinyRecipe(t, shortRecipe...)
	precious := filepath.Join(r.OutputDir, "precious")
	if err := errors.Join(os.Mkdir(r.OutputDir, 0o777), os.WriteFile(precious, []byte("x"), 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		if _, err := Run(t.Context(), r, Options{Fresh: fresh}); !errors.Is(err, os.ErrExist) {
			t.Errorf("fresh=%v: got %v, want ErrExist", fresh, err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestARunInUseIsRefused(t *testing.T) {
	r := tinyRecipe(t, shortRecipe...)
	folder, err := checkpoints.CreateRun(r.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{false, true} {
		if _, err := Run(t.Context(), r, Options{Fresh: fresh}); !errors.Is(err, checkpoints.ErrLocked) {
			t.Errorf("fresh=%v: got %v, want ErrLocked", fresh, err)
		}
	}
	if err := folder.Close(); err != nil {
		t.Fatal(err)
	}
	runAll(t, r, Options{})
}

func TestACompleteRunIsReusedAndNotTouched(t *testing.T) {
	r := tinyRecipe(t, shortRecipe...)
	first := runAll(t, r, Options{})
	before := files(t, r.OutputDir)
	began := time.Now()
	res := runAll(t, r, Options{})
	if !res.Reused || len(res.Evaluations) != len(first.Evaluations) || res.Report != first.Report {
		t.Errorf("got %+v, want the first result %+v", res, first)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("it took %v", d)
	}
	after := files(t, r.OutputDir)
	for f, sum := range after {
		if before[f] != sum {
			t.Errorf("%s was written", f)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d files, were %d", len(after), len(before))
	}
}

func TestARecipeForATeacherStopsThere(t *testing.T) {
	r := tinyRecipe(t, "plan=null", "phases=null", "finish=null", "teacher.train.max_steps=6", "eval.contexts=[]")
	if !r.TeacherOnly() {
		t.Fatal("the recipe converts")
	}
	if _, err := runUntil(t, r, func(what string, done int) bool { return what == "teacher" && done >= 3 }); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	l := &listener{}
	res := runAll(t, r, Options{Progress: l})
	if !l.says("resumed at stage 0 step 3") {
		t.Errorf("it did not resume: %q", l.notes)
	}
	if len(res.Evaluations) != 1 || res.Evaluations[0].Name != "teacher" || len(res.Plan.Stages) != 0 {
		t.Errorf("got %+v", res)
	}
	if _, err := LoadModel(filepath.Join(r.OutputDir, teacherDir)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(r.OutputDir, "model")); err == nil {
		t.Error("there is a student")
	}
}

// TestWithoutGoTheErrorSaysWhatToSet names a key that the recipe has.
func TestWithoutGoTheErrorSaysWhatToSet(t *testing.T) {
	t.Setenv("GOROOT", "")
	t.Setenv("PATH", t.TempDir())
	r := tinyRecipe(t, append(shortRecipe, "data.train=[{source: go}]")...)
	_, err := Run(t.Context(), r, Options{})
	if err == nil || !strings.Contains(err.Error(), "GOROOT") {
		t.Fatalf("got %v, want an error about GOROOT", err)
	}
	_, key, ok := strings.Cut(err.Error(), "--set ")
	key, _, ok2 := strings.Cut(key, "=DIR")
	if !ok || !ok2 {
		t.Fatalf("no --set in %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if got := tinyRecipe(t, append(shortRecipe, "data.train=[{source: go}]", key+"="+dir)...).Data.Train[0].Path; got != dir {
		t.Errorf("--set %s sets %q", key, got)
	}
}
