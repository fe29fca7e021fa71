package distill

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stillhouse/checkpoints"
	"stillhouse/recipes"
)

// breaks are places in every part of the tiny recipe to cancel it at.
var breaks = []struct {
	what string
	done int
}{
	{"teacher", 0}, {"teacher", 7}, {"teacher", 30},
	{"evaluate teacher", 1},
	{"score layers by gate", 1},
	{"stage 1/2 · mixers", 0}, {"stage 1/2 · mixers", 3}, {"stage 1/2 · mixers", 8},
	{"stage 1/2 · all", 5}, {"stage 1/2 · all", 8},
	{"evaluate stage-1", 2},
	{"score layers by mmr", 1},
	{"stage 2/2 · mixers", 1}, {"stage 2/2 · all", 7},
	{"evaluate stage-2", 1},
	{"sft", 0}, {"sft", 2}, {"sft", 4},
	{"evaluate sft", 1}, {"evaluate merge", 1},
	{"measure speed against context", 1},
}

func TestResumeEqualsUninterruptedRun(t *testing.T) {
	r := tinyRecipe(t)
	for _, b := range breaks {
		fired := false
		l, err := runUntil(t, r, func(what string, done int) bool {
			fired = fired || what == b.what && done >= b.done
			return fired
		})
		if !fired {
			t.Fatalf("%s %d: the run never came there: %v, it said %q", b.what, b.done, err, l.notes)
		}
		if b.what == "measure speed against context" {
			if err != nil { // nothing is left to be interrupted
				t.Fatal(err)
			}
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("%s %d: got %v, want ErrInterrupted", b.what, b.done, err)
		}
	}
	res := runAll(t, r, Options{})
	if !res.Reused {
		t.Error("the run was complete and ran again")
	}
	mustEqual(t, r, res)
}

func TestOneBreakAnywhereEqualsNone(t *testing.T) {
	if testing.Short() {
		t.Skip("half a second a place")
	}
	for i := 0; i < len(breaks); i += 3 {
		b := breaks[i]
		t.Run(fmt.Sprintf("%s %d", b.what, b.done), func(t *testing.T) {
			r := tinyRecipe(t)
			_, err := runUntil(t, r, func(what string, done int) bool { return what == b.what && done >= b.done })
			if err != nil && !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			mustEqual(t, r, runAll(t, r, Options{}))
		})
	}
}

// TestABreakAfterEveryStepEqualsNone takes one step a session.
func TestABreakAfterEveryStepEqualsNone(t *testing.T) {
	if testing.Short() {
		t.Skip("66 sessions")
	}
	r := tinyRecipe(t)
	sessions := 0
	for {
		told := map[string]int{} // Begin, Advance to where the session takes up the phase, a step
		_, err := runUntil(t, r, func(what string, _ int) bool {
			told[what]++
			return trains(what) && told[what] == 3
		})
		sessions++
		if err == nil {
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if sessions > 200 {
			t.Fatal("a session without a step")
		}
	}
	if sessions < 66 {
		t.Errorf("%d sessions for 66 steps", sessions)
	}
	mustEqual(t, r, nil)
}

func trains(what string) bool {
	return what == "teacher" || what == "sft" || strings.HasPrefix(what, "stage ")
}

// TestKilledRunsResumeToTheSameBits kills a run again and again, at what it is
// about to do and at any time, until one session reaches the end.
func TestKilledRunsResumeToTheSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("some twenty processes")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	patience := 40 // milliseconds; it grows so that a slow machine comes to the end too
	for name, when := range map[string]func() string{
		"at what it does": func() string { return fmt.Sprint(10 + rng.IntN(30)) },
		"at any time":     func() string { patience += 10; return fmt.Sprintf("%dms", patience+rng.IntN(200)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := tinyRecipe(t)
			kills := 0
			for {
				at := when()
				err := child(t, r, at)
				if err == nil {
					break
				}
				if !strings.Contains(err.Error(), "killed") {
					t.Fatalf("killed at %s after %d kills: %v", at, kills, err)
				}
				if kills++; kills > 60 {
					t.Fatal("the run does not come to an end")
				}
			}
			if kills == 0 {
				t.Error("no session was killed")
			}
			t.Logf("%d kills", kills)
			mustEqual(t, r, nil)
		})
	}
}

// TestAKillBeforeTheRunIsMarkedCompleteIsMended takes the mark away, and leaves
// all that was written before it.
func TestAKillBeforeTheRunIsMarkedCompleteIsMended(t *testing.T) {
	r := tinyRecipe(t)
	runAll(t, r, Options{})
	if err := os.Remove(filepath.Join(r.OutputDir, resultFile)); err != nil {
		t.Fatal(err)
	}
	res := runAll(t, r, Options{})
	if res.Reused {
		t.Error("a run that is not marked complete was taken for one")
	}
	mustEqual(t, r, res)
}

// TestAKillBeforeTheTeacherIsWrittenIsMended has its last checkpoint and not yet
// its folder.
func TestAKillBeforeTheTeacherIsWrittenIsMended(t *testing.T) {
	r := tinyRecipe(t)
	if _, err := runUntil(t, r, func(what string, done int) bool { return what == "teacher" && done >= 30 }); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(r.OutputDir, teacherDir)); err != nil {
		t.Fatal(err)
	}
	mustEqual(t, r, runAll(t, r, Options{}))
}

// TestADamagedCheckpointIsReportedAndPassedOver damages the newest checkpoints
// of an interrupted run in every way and goes on.
func TestADamagedCheckpointIsReportedAndPassedOver(t *testing.T) {
	for name, c := range map[string]struct {
		what   string // where the run is interrupted
		done   int
		newest int // how many checkpoints are damaged
		damage func(dir string) error
	}{
		"a flipped bit in the weights":  {"stage 2/2 · mixers", 7, 1, flip("weights.safetensors")},
		"a short optimizer":             {"stage 2/2 · all", 6, 1, truncate("optimizer.safetensors")},
		"no state":                      {"sft", 2, 1, remove("state.json")},
		"no manifest, three of them":    {"stage 1/2 · all", 7, 3, remove("manifest.json")},
		"the teacher's end and beyond":  {"stage 1/2 · mixers", 2, 2, flip("state.json")},
		"the newest finishing step":     {"evaluate merge", 1, 2, truncate("weights.safetensors")},
		"the teacher in the middle":     {"teacher", 13, 1, truncate("state.json")},
		"an empty folder in its place":  {"stage 2/2 · mixers", 4, 1, empty},
		"weights of zeros, same length": {"teacher", 30, 1, zero("weights.safetensors")},
	} {
		t.Run(name, func(t *testing.T) {
			r := tinyRecipe(t)
			if _, err := runUntil(t, r, func(what string, done int) bool { return what == c.what && done >= c.done }); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			damaged := newestCheckpoints(t, r)[:c.newest]
			for _, dir := range damaged {
				if err := c.damage(dir); err != nil {
					t.Fatal(err)
				}
			}
			l := &listener{}
			res := runAll(t, r, Options{Progress: l})
			for _, dir := range damaged {
				if !l.says("warning", "damaged", dir) {
					t.Errorf("nothing was said of %s: %q", dir, l.notes)
				}
			}
			mustEqual(t, r, res)
		})
	}
}

func TestWithoutAWholeCheckpointTheRunStops(t *testing.T) {
	r := tinyRecipe(t)
	if _, err := runUntil(t, r, func(what string, done int) bool { return what == "teacher" && done >= 7 }); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	for _, dir := range newestCheckpoints(t, r) {
		if err := flip("weights.safetensors")(dir); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Run(t.Context(), r, Options{})
	if !errors.Is(err, checkpoints.ErrDamaged) || !strings.Contains(err.Error(), "hint") {
		t.Errorf("got %v, want ErrDamaged with a hint", err)
	}
}

// newestCheckpoints returns the run's checkpoint folders, newest first. Names
// sort by step, and a second one of a step after the first.
func newestCheckpoints(t *testing.T, r *recipes.Recipe) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(r.OutputDir, checkpoints.Dir, "step-*"))
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	slices.Sort(dirs)
	slices.Reverse(dirs)
	return dirs
}

func change(name string, f func(b []byte) []byte) func(dir string) error {
	return func(dir string) error {
		file := filepath.Join(dir, name)
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, f(b), 0o666)
	}
}

func flip(name string) func(string) error {
	return change(name, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
}

func truncate(name string) func(string) error {
	return change(name, func(b []byte) []byte { return b[:len(b)/2] })
}

func zero(name string) func(string) error {
	return change(name, func(b []byte) []byte { clear(b[len(b)/2:]); return b })
}

func remove(name string) func(string) error {
	return func(dir string) error { return os.Remove(filepath.Join(dir, name)) }
}

func empty(dir string) error {
	return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o777))
}
