package checkpoints

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/checkpoints/internal/durable"
)

func TestARunIsMadeOnceAndOpenedAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "a")
	if _, err := OpenRun(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no run: got %v", err)
	}
	if _, err := ViewRun(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no run to view: got %v", err)
	}
	r, err := CreateRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.WriteFile(RecipeFile, []byte("version: 1\n")), r.WriteJSON(PlanFile, []int{1, 2}), r.WriteJSON(ScoresFile("gate"), map[string]int{"a": 1}), r.WriteFile(filepath.Join(EvalDir, "stage-1.json"), nil)); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateRun(dir); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "hint: resume") {
		t.Errorf("a second run: got %v", err)
	}
	if r, err = OpenRun(dir); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var plan []int
	if err := r.ReadJSON(PlanFile, &plan); err != nil || len(plan) != 2 {
		t.Errorf("got %v %v", plan, err)
	}
	if err := r.ReadJSON(ScoresFile("gate"), &struct{ B int }{}); err == nil {
		t.Error("an unknown key was dropped")
	}
	if b, err := r.ReadFile(RecipeFile); err != nil || string(b) != "version: 1\n" {
		t.Errorf("got %q %v", b, err)
	}
	if _, err := r.ReadFile("nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	probe := t.TempDir() // made under the same umask
	if err := errors.Join(os.Mkdir(filepath.Join(probe, "dir"), 0o777), os.WriteFile(filepath.Join(probe, "file"), nil, 0o666)); err != nil {
		t.Fatal(err)
	}
	for path, like := range map[string]string{"": "dir", Dir: "dir", RecipeFile: "file", MetricsFile: "file", lockFile: "file"} {
		want, err := os.Stat(filepath.Join(probe, like))
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(r.Path(path)); err != nil || info.Mode().Perm() != want.Mode().Perm() {
			t.Errorf("%s: got %v %v, want %v as the umask says", path, info.Mode(), err, want.Mode())
		}
	}
}

func TestACreateThatWasKilledCanBeRepeated(t *testing.T) {
	dir := t.TempDir()
	r, err := CreateRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	r.flock.Close() // as the kernel does: owner.json and empty journals stay
	if r, err = CreateRun(dir); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if err := os.Mkdir(filepath.Join(dir, Dir, "step-00000001"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := CreateRun(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("with a checkpoint: got %v", err)
	}
}

func TestAViewReadsALockedRunAndChangesNothing(t *testing.T) {
	r, err := CreateRun(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c := mustSave(t, r, 1)
	v, err := ViewRun(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if c, _, err := Latest(v); err != nil || c.State.GlobalStep != 1 {
		t.Errorf("got %v %v", c, err)
	}
	s, w, o := training(2)
	if _, err := Save(v, s, w, o); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v", err)
	}
	if err := v.WriteFile("x", nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v", err)
	}
	if err := Remove(v, c.Path); !errors.Is(err, ErrReadOnly) {
		t.Errorf("got %v", err)
	}
}

// TestMain lets the test binary hold a run as a second process.
func TestMain(m *testing.M) {
	dir := os.Getenv("STILLHOUSE_TEST_HOLD_RUN")
	if dir == "" {
		os.Exit(m.Run())
	}
	r, err := OpenRun(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	bufio.NewReader(os.Stdin).ReadString('\n') // until it is killed or told to end
	r.Close()
}

func TestASecondProcessIsToldWhoHoldsTheRun(t *testing.T) {
	dir := t.TempDir()
	hold := exec.Command(os.Args[0])
	hold.Env = append(os.Environ(), "STILLHOUSE_TEST_HOLD_RUN="+dir)
	in, err1 := hold.StdinPipe()
	out, err2 := hold.StdoutPipe()
	if err := errors.Join(err1, err2, hold.Start()); err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the other process says %q %v", line, err)
	}
	for _, open := range []func(string) (*Run, error){OpenRun, CreateRun} {
		_, err := open(dir)
		var locked *LockedError
		host, _ := os.Hostname()
		if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || locked.Owner.PID != hold.Process.Pid || locked.Owner.Host != host {
			t.Fatalf("got %v", err)
		}
		if !strings.Contains(err.Error(), fmt.Sprintf("process %d on %s", hold.Process.Pid, host)) {
			t.Errorf("got %v", err)
		}
	}
	if err := hold.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	hold.Wait()
	r, err := OpenRun(dir)
	if err != nil {
		t.Fatalf("after the kill: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.Path(ownerFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("owner.json after Close: %v", err)
	}
}

func TestTheJournalGrowsByWholeLinesAndIsCut(t *testing.T) {
	r := newRun(t)
	for _, line := range []string{"one", "two", "three"} {
		if err := r.Metrics.Append([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Metrics.Truncate(8); err != nil {
		t.Fatal(err)
	}
	if err := r.Metrics.Append([]byte("four")); err != nil {
		t.Fatal(err)
	}
	if b, err := r.ReadFile(MetricsFile); err != nil || string(b) != "one\ntwo\nfour\n" || r.Metrics.Size() != 13 {
		t.Errorf("got %q %v", b, err)
	}
	if err := r.Metrics.Truncate(14); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "13 bytes, the checkpoint recorded 14") {
		t.Errorf("got %v", err)
	}
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "checkpoints: Append: a newline") {
			t.Errorf("recovered %v", p)
		}
	}()
	r.Metrics.Append([]byte("a\nb"))
}

func TestALineThatDoesNotFitIsTakenBack(t *testing.T) {
	full := errors.New("full")
	f := &faults{fate: none}
	r, err := reopen(t.TempDir(), f.ops())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Metrics.Append([]byte("one")); err != nil {
		t.Fatal(err)
	}
	f.fate = func(_ int, op string) (error, bool) {
		if op == "write" {
			return full, true // half of it
		}
		return nil, false
	}
	if err := r.Metrics.Append([]byte("twotwo")); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	f.fate = none
	if err := r.Metrics.Append([]byte("three")); err != nil {
		t.Error(err)
	}
	if b, err := r.ReadFile(MetricsFile); err != nil || string(b) != "one\nthree\n" {
		t.Errorf("got %q %v", b, err)
	}
	f.fate = func(_ int, op string) (error, bool) { return full, op == "write" } // and taking it back fails too
	first := r.Metrics.Append([]byte("fourfour"))
	f.fate = none
	if again := r.Metrics.Append([]byte("five")); first == nil || again == nil || !errors.Is(again, full) {
		t.Errorf("got %v, then %v", first, again)
	}
}

func TestASmallFileIsOldOrNewWhateverFails(t *testing.T) {
	old, fresh := []byte("old"), []byte("fresh")
	bad := errors.New("bad")
	for k := 1; ; k++ {
		f := &faults{fate: none}
		r, err := reopen(t.TempDir(), f.ops())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.WriteFile(PlanFile, old); err != nil {
			t.Fatal(err)
		}
		f.n = 0
		f.fate = func(n int, op string) (error, bool) {
			if n >= k {
				return bad, n == k && op == "write"
			}
			return nil, false
		}
		err = r.WriteFile(PlanFile, fresh)
		done := f.n < k
		f.fate = none
		b, e := r.ReadFile(PlanFile)
		if e != nil || string(b) != "old" && string(b) != "fresh" || err == nil && string(b) != "fresh" || !done && err == nil {
			t.Fatalf("failing at %d: %q %v %v", k, b, err, e)
		}
		if err := r.WriteFile(PlanFile, fresh); err != nil { // what was left is no obstacle
			t.Fatal(err)
		}
		if entries, err := filepath.Glob(r.Path(durable.TempPrefix + "*")); err != nil || len(entries) > 0 {
			t.Fatalf("left: %v %v", entries, err)
		}
		r.Close()
		if done {
			return
		}
	}
}
