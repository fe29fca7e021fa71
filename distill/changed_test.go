package distill

import (
	"errors"
	"strings"
	"testing"
)

// TestAChangedRecipeIsExplainedKeyByKey changes what is done with, what is yet
// to come and what does not matter.
func TestAChangedRecipeIsExplainedKeyByKey(t *testing.T) {
	r := tinyRecipe(t)
	if _, err := runUntil(t, r, func(what string, done int) bool { return what == "stage 1/2 · mixers" && done >= 2 }); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	before := files(t, r.OutputDir)

	changed := *r
	changed.Seed = 8
	changed.Train.LearningRate *= 2
	changed.Threads = 1
	_, err := Run(t.Context(), &changed, Options{})
	if !errors.Is(err, ErrChanged) {
		t.Fatalf("got %v, want ErrChanged", err)
	}
	for _, part := range []string{"seed: 7 → 8  (redo all)", "train.learning_rate: ", "threads: 0 → 1  (harmless)", "--fresh", "--force"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
	after := files(t, r.OutputDir)
	for f, sum := range before {
		if after[f] != sum {
			t.Errorf("%s was changed by a run that was refused", f)
		}
	}

	// Forced, it goes on from where it stands; after that the new recipe is the run's.
	l := &listener{}
	if res := runAll(t, &changed, Options{Force: true, Progress: l}); res.Plan.Stages == nil {
		t.Error("there is no plan")
	}
	if !l.says("recipe changed:", "seed: 7 → 8") || !l.says("resumed at stage 1 step 2") {
		t.Errorf("got the notes %q", l.notes)
	}
	if res := runAll(t, &changed, Options{}); !res.Reused {
		t.Error("the changed recipe is not the run's own")
	}
	if _, err := Run(t.Context(), r, Options{}); !errors.Is(err, ErrChanged) {
		t.Errorf("the first recipe: got %v, want ErrChanged", err)
	}
}

// TestAHarmlessChangeNeedsNoFlag changes what touches nothing done, and ends in
// the same bits.
func TestAHarmlessChangeNeedsNoFlag(t *testing.T) {
	r := tinyRecipe(t)
	if _, err := runUntil(t, r, func(what string, done int) bool { return what == "stage 2/2 · mixers" && done >= 4 }); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	changed := *r
	changed.Threads, changed.Checkpoint.EverySteps, changed.Checkpoint.KeepLast, changed.Eval.DecodeTokens = 1, 3, 1, 2
	l := &listener{}
	mustEqual(t, r, runAll(t, &changed, Options{Progress: l}))
	if !l.says("recipe changed:", "checkpoint.every_steps: 5 → 3") {
		t.Errorf("got the notes %q", l.notes)
	}
}
