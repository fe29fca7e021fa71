package distill

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"stillhouse/checkpoints"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// poison makes the loss of the batches that begin at these rows NaN.
func poison(rows ...int64) func(Fill) Fill {
	return func(fill Fill) Fill {
		return func(row int64, b *layers.Batch) error {
			err := fill(row, b)
			if slices.Contains(rows, row) {
				tensor.Data[float32](b.Weight)[0] = float32(math.NaN())
			}
			return err
		}
	}
}

// The teacher of the tiny recipe reads 4 rows a step, so step n begins at row
// 4(n-1); it saves every 5 steps. The trouble is in the teacher's training, as
// its phase is the longest.

func TestOneBadBatchIsSkippedAndTheRunGoesOn(t *testing.T) {
	r := tinyRecipe(t, shortRecipe[:4]...)
	l := &listener{}
	runAll(t, r, Options{Progress: l, rows: poison(4 * 6)})
	if !l.says("step 7", "NaN", "skipped") {
		t.Errorf("nothing was said: %q", l.notes)
	}
	if n := countEvents(t, r.OutputDir, "skip"); n != 2 { // the teacher's; the stages read from the first row on again
		t.Errorf("%d skip events", n)
	}
	mustBeFinite(t, r)
}

// TestThreeBadBatchesInARowRollTheRunBack poisons three batches, a few steps after
// a checkpoint. The run goes back, leaves them out and, interrupted at any place
// around there, even twice, ends in the same bits.
func TestThreeBadBatchesInARowRollTheRunBack(t *testing.T) {
	bad := poison(4*12, 4*13, 4*14)
	set := append(shortRecipe[:4:4], "plan.mamba_layers=[1]", "phases=[{name: all, trainable: all, max_steps: 3}]")
	r := tinyRecipe(t, set...)
	l := &listener{}
	runAll(t, r, Options{Progress: l, rows: bad})
	if !l.says("rolled back to step 10, skipping 3 batches") {
		t.Fatalf("it did not go back: %q", l.notes)
	}
	if n := countEvents(t, r.OutputDir, "rollback"); n != 1 {
		t.Errorf("%d rollback events, want 1", n)
	}
	mustBeFinite(t, r)
	want := files(t, r.OutputDir)

	// After how many batches each session ends: bad ones count, and those that
	// are read again.
	for _, stops := range [][]int{{12}, {13}, {14}, {15}, {16}, {25}, {14, 2}, {14, 3}, {13, 1, 1, 1, 1}} {
		again := tinyRecipe(t, set...)
		for _, n := range stops {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := Run(ctx, again, Options{rows: func(fill Fill) Fill {
				fill = bad(fill)
				return func(row int64, b *layers.Batch) error {
					if n--; n == 0 {
						cancel()
					}
					return fill(row, b)
				}
			}})
			cancel()
			if !errors.Is(err, ErrInterrupted) {
				t.Fatalf("sessions of %v batches: %v", stops, err)
			}
		}
		runAll(t, again, Options{rows: bad})
		for _, name := range []string{"metrics.jsonl", "model/model.safetensors", "teacher/model.safetensors"} {
			got, err := digest(again.OutputDir + "/" + name)
			if err != nil || got != want[r.OutputDir+"/"+name] {
				t.Errorf("after sessions of %v batches, %s has other bytes (%v)", stops, name, err)
			}
		}
	}
}

// TestRollingBackBringsBackWeightsMomentsAndCounts compares with a run that never
// met the bad batches: the same as if their rows had not been there.
func TestRollingBackBringsBackWeightsMomentsAndCounts(t *testing.T) {
	set := append(shortRecipe[:4:4], "plan.mamba_layers=[1]", "phases=[{name: all, trainable: all, max_steps: 3}]",
		"teacher.train.lr_scheduler_type=constant", "teacher.train.warmup_steps=0")
	rolled := tinyRecipe(t, set...)
	runAll(t, rolled, Options{rows: poison(4*11, 4*12, 4*13)})
	clean := tinyRecipe(t, set...)
	runAll(t, clean, Options{rows: func(fill Fill) Fill {
		return func(row int64, b *layers.Batch) error {
			if row >= 4*11 && b.T == 64 && teacherRuns(clean) {
				row += 4 * 3
			}
			return fill(row, b)
		}
	}})
	a, b := weightsOf(t, rolled.OutputDir, "teacher"), weightsOf(t, clean.OutputDir, "teacher")
	for name := range a {
		if !slices.Equal(a[name], b[name]) {
			t.Errorf("%s is not what training without the bad batches gives", name)
		}
	}
}

// teacherRuns reports whether the run has not come to its stages yet.
func teacherRuns(r *recipes.Recipe) bool {
	folder, err := checkpoints.ViewRun(r.OutputDir)
	if err != nil {
		return true
	}
	defer folder.Close()
	_, err = checkpoints.Find(folder, "teacher")
	return err != nil
}

func TestTroubleWithoutEndStopsTheRunAndItsWeightsStayFinite(t *testing.T) {
	r := tinyRecipe(t, shortRecipe[:4]...)
	var rows []int64
	for row := int64(4 * 12); row < 1000; row += 4 {
		rows = append(rows, row)
	}
	_, err := Run(t.Context(), r, Options{rows: poison(rows...)})
	if isNonFinite(err) == nil || !strings.Contains(err.Error(), "hint") {
		t.Fatalf("got %v, want a NonFinite with a hint", err)
	}
	if n := countEvents(t, r.OutputDir, "rollback"); n != maxRollbacks {
		t.Errorf("%d rollbacks, want %d", n, maxRollbacks)
	}
	mustBeFinite(t, r)
}

// mustBeFinite looks at every checkpoint of a run.
func mustBeFinite(t *testing.T, r *recipes.Recipe) {
	t.Helper()
	folder, err := checkpoints.ViewRun(r.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	all, _, err := checkpoints.List(folder)
	if err != nil || len(all) == 0 {
		t.Fatalf("%d checkpoints, %v", len(all), err)
	}
	for _, c := range all {
		f, err := c.Weights()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range f.Names() {
			x, err := f.Read(n)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(tensor.Data[float32](x), func(v float32) bool { return !finite(float64(v)) }) {
				t.Errorf("%s: %s is not finite", c.Path, n)
			}
		}
		f.Close()
	}
}
