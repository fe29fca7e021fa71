package checkpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestASavedCheckpointComesBackEqual(t *testing.T) {
	r := newRun(t)
	if c, skipped, err := Latest(r); c != nil || skipped != nil || err != nil {
		t.Fatalf("an empty run: got %v %v %v", c, skipped, err)
	}
	saved := mustSave(t, r, 7)
	c, skipped, err := Latest(r)
	if err != nil || len(skipped) > 0 {
		t.Fatal(err, skipped)
	}
	if w := wrong(c); w != "" {
		t.Error(w)
	}
	if c.Path != saved.Path || filepath.Base(c.Path) != "step-00000007" || !c.HasOptimizer() {
		t.Errorf("got %s and %s", c.Path, saved.Path)
	}
	if c.State.MetricsBytes != r.Metrics.Size() || c.State.MetricsBytes == 0 {
		t.Errorf("metrics: %d bytes in the state, %d in the file", c.State.MetricsBytes, r.Metrics.Size())
	}
	if c.Manifest.CreatedBy == "" || c.Manifest.FormatVersion != FormatVersion {
		t.Errorf("manifest %+v", c.Manifest)
	}
}

func TestEqualStatesGiveEqualBytes(t *testing.T) {
	var first [4][]byte
	for i := range 2 {
		c := mustSave(t, newRun(t), 7)
		for k, name := range []string{weightsFile, optimizerFile, stateFile, manifestFile} {
			b, err := os.ReadFile(filepath.Join(c.Path, name))
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				first[k] = b
			} else if string(b) != string(first[k]) {
				t.Errorf("%s differs:\n%q\n%q", name, first[k], b)
			}
		}
	}
}

func TestWithoutAnOptimizerThereIsNoFileForIt(t *testing.T) {
	r := newRun(t)
	s, w, _ := training(1)
	c, err := Save(r, s, w, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Optimizer(); c.HasOptimizer() || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v %v", c.HasOptimizer(), err)
	}
}

func TestTheNewestWithoutANameStayAndEveryNamedOneDoes(t *testing.T) {
	r := newRun(t)
	r.KeepLast = 2
	for step := int64(1); step <= 9; step++ {
		s, w, o := training(step)
		if step%3 == 1 {
			s.Name = fmt.Sprintf("stage-%d", step/3)
		}
		if _, err := Save(r, s, w, o); err != nil {
			t.Fatal(err)
		}
	}
	cs, problems, err := List(r)
	if got := names(cs); err != nil || problems != nil || got != "step-00000009 step-00000008 step-00000007 step-00000004 step-00000001" {
		t.Errorf("got %s %v %v", got, problems, err)
	}
	for name, want := range map[string]string{"stage-1": "step-00000004", "step-00000008": "step-00000008"} {
		if c, err := Find(r, name); err != nil || filepath.Base(c.Path) != want {
			t.Errorf("%s: got %v %v", name, c, err)
		}
	}
	if _, err := Find(r, "stage-9"); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "stage-1") {
		t.Errorf("got %v", err)
	}
	r.KeepLast = 0
	for step := int64(10); step <= 15; step++ {
		mustSave(t, r, step)
	}
	if cs, _, _ := List(r); len(cs) != 11 {
		t.Errorf("with KeepLast 0: got %s", names(cs))
	}
}

func TestRotationCountsOnlyWholeCheckpointsAndKeepsDamagedOnes(t *testing.T) {
	for _, fresh := range []bool{false, true} { // with and without memory of what was verified
		r := newRun(t)
		r.KeepLast = 2
		mustSave(t, r, 1)
		c := mustSave(t, r, 2)
		if err := os.Truncate(filepath.Join(c.Path, weightsFile), 9); err != nil {
			t.Fatal(err)
		}
		if fresh {
			clear(r.verified)
		}
		mustSave(t, r, 3) // whole: 3 and 1
		cs, problems, err := List(r)
		if err != nil || names(cs) != "step-00000003 step-00000001" || len(problems) != 1 {
			t.Errorf("got %s %v %v", names(cs), problems, err)
		}
		mustSave(t, r, 4)
		cs, problems, err = List(r)
		if err != nil || names(cs) != "step-00000004 step-00000003" || len(problems) != 1 || filepath.Base(problems[0].Checkpoint) != "step-00000002" {
			t.Errorf("got %s %v %v", names(cs), problems, err)
		}
	}
}

func TestTwoCheckpointsOfOneGlobalStepAreOrdered(t *testing.T) {
	r := newRun(t)
	r.KeepLast = 2
	for phase := range 12 {
		s, w, o := training(5)
		s.Phase = phase
		if _, err := Save(r, s, w, o); err != nil {
			t.Fatal(err)
		}
		c, _, err := Latest(r)
		if err != nil || c.State.Phase != phase {
			t.Fatalf("after phase %d: got %+v %v", phase, c, err)
		}
	}
	if cs, _, _ := List(r); names(cs) != "step-00000005.12 step-00000005.11" {
		t.Errorf("got %s", names(cs))
	}
}

func TestAnOlderStepIsRefusedUntilTheLaterCheckpointIsRemoved(t *testing.T) {
	r := newRun(t)
	mustSave(t, r, 5)
	late := mustSave(t, r, 9)
	if _, err := saveStep(r, 6); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "step-00000009") {
		t.Errorf("got %v", err)
	}
	if err := Remove(r, late.Path); err != nil {
		t.Fatal(err)
	}
	mustSave(t, r, 6)
	damaged := mustSave(t, r, 8)
	if err := os.Remove(filepath.Join(damaged.Path, manifestFile)); err != nil {
		t.Fatal(err)
	}
	mustSave(t, r, 7) // a damaged later one does not stand in the way
	c, skipped, err := Latest(r)
	if err != nil || c.State.GlobalStep != 7 || len(skipped) != 1 || skipped[0].What != "missing" {
		t.Errorf("got %+v %v %v", c, skipped, err)
	}
	mustSave(t, r, 8)
	if c, skipped, err := Latest(r); err != nil || filepath.Base(c.Path) != "step-00000008.2" || len(skipped) != 0 {
		t.Errorf("got %+v %v %v", c, skipped, err)
	}
}

func TestWhatAKilledSaveLeftIsIgnoredAndCleared(t *testing.T) {
	r := newRun(t)
	mustSave(t, r, 1)
	left := r.Path(Dir, ".tmp-step-00000002")
	if err := os.MkdirAll(filepath.Join(left, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if c, skipped, err := Latest(r); err != nil || c.State.GlobalStep != 1 || skipped != nil {
		t.Errorf("got %v %v %v", c, skipped, err)
	}
	mustSave(t, r, 2)
	if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v", left, err)
	}
}

func TestAStateThatIsNotJSONIsAnErrorAndLeavesNothing(t *testing.T) {
	r := newRun(t)
	s, w, o := training(1)
	s.LossScale = math.NaN()
	if _, err := Save(r, s, w, o); err == nil {
		t.Error("NaN was saved")
	}
	s.LossScale, s.Extra = 1, []byte("{")
	if _, err := Save(r, s, w, o); err == nil {
		t.Error("bad JSON was saved")
	}
	if entries, err := os.ReadDir(r.Path(Dir)); err != nil || len(entries) > 0 {
		t.Errorf("got %v %v", entries, err)
	}
}

func TestFolderNamesAreReadOnlyAsTheyAreWritten(t *testing.T) {
	for name, want := range map[string]bool{
		"step-00000000": true, "step-00000120": true, "step-123456789": true, "step-00000120.2": true, "step-00000120.11": true,
		"step-120": false, "step-0000000120": false, "step-00000120.1": false, "step-00000120.02": false, "step-00000120.0": false,
		"step-00000120.": false, "step--0000120": false, ".tmp-step-00000120": false, "step-00000120 ": false, "": false, "step-99999999999999999999": false,
	} {
		p, ok := parsePlace(name)
		if ok != want || ok && p.String() != name {
			t.Errorf("%q: got %v %v want %v", name, p, ok, want)
		}
	}
}
