package checkpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"stillhouse/checkpoints/internal/durable"
)

func none(int, string) (error, bool) { return nil, false }

// twoSaves makes a run with checkpoints 1 and 2 and returns its folder, then
// opens it again with f's operations.
func twoSaves(t *testing.T, f *faults) (*Run, string) {
	t.Helper()
	dir := t.TempDir()
	r, err := reopen(dir, unsynced())
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, r, 1)
	mustSave(t, r, 2)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	f.fate = none
	if r, err = reopen(dir, f.ops()); err != nil {
		t.Fatal(err)
	}
	r.KeepLast = 2
	f.n, f.log = 0, nil
	return r, dir
}

// countSave returns how many operations a third Save takes, retention included.
func countSave(t *testing.T) int {
	t.Helper()
	var f faults
	r, _ := twoSaves(t, &f)
	mustSave(t, r, 3)
	n := f.n
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// mustGoOn opens the run again as a new process would, checks that Latest gives
// a whole checkpoint of step 2 or 3, and saves once more.
func mustGoOn(t *testing.T, dir, what string, least int64) {
	t.Helper()
	r, err := reopen(dir, unsynced())
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer r.Close()
	r.KeepLast = 2
	c, skipped, err := Latest(r)
	if err != nil || len(skipped) > 0 {
		t.Fatalf("%s: %v %v", what, skipped, err)
	}
	if w := wrong(c); w != "" || c.State.GlobalStep < least || c.State.GlobalStep > 3 {
		t.Fatalf("%s: got step %d: %s", what, c.State.GlobalStep, w)
	}
	if cs, _, err := List(r); err != nil || len(cs) < 2 {
		t.Fatalf("%s: %d whole checkpoints are left: %v", what, len(cs), err)
	}
	if err := r.Metrics.Truncate(c.State.MetricsBytes); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	for step := c.State.GlobalStep + 1; step <= 4; step++ {
		mustSave(t, r, step)
	}
	metrics, err := r.ReadFile(MetricsFile)
	if want := "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n"; err != nil || string(metrics) != want {
		t.Fatalf("%s: metrics are %q: %v", what, metrics, err)
	}
	entries, err := os.ReadDir(r.Path(Dir))
	if err != nil || len(entries) != 2 {
		t.Fatalf("%s: %v is left, want two checkpoints: %v", what, entries, err)
	}
}

func TestKilledBeforeOrAfterAnyOperationOfASaveTheRunGoesOn(t *testing.T) {
	killed := errors.New("killed")
	total := countSave(t)
	kills := 0
	for k := 1; k <= total; k++ {
		for _, after := range []bool{false, true} {
			var f faults
			r, dir := twoSaves(t, &f)
			f.fate = func(n int, op string) (error, bool) {
				if n < k {
					return nil, false
				}
				return killed, after && n == k // the dead do nothing more
			}
			_, _ = saveStep(r, 3) // the dead do not look at what they get
			if f.n < k {
				t.Fatalf("operation %d of %d: only %d done", k, total, f.n)
			}
			kills++
			r.flock.Close() // as the kernel does
			mustGoOn(t, dir, fmt.Sprintf("killed at %d (%s, after: %v)", k, f.log[k-1], after), 2)
		}
	}
	t.Logf("%d kills around %d operations", kills, total)
}

func TestAFailureOfAnyOperationOfASaveIsAnErrorAndTheOldOnesStay(t *testing.T) {
	total := countSave(t)
	runs := 0
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
		for _, sticky := range []bool{false, true} {
			for _, happens := range []bool{false, true} {
				for k := 1; k <= total; k++ {
					var f faults
					r, dir := twoSaves(t, &f)
					f.fate = func(n int, op string) (error, bool) {
						if n == k || sticky && n > k {
							return errno, happens
						}
						return nil, false
					}
					c, err := saveStep(r, 3)
					what := fmt.Sprintf("%v at %d (%s, sticky %v, happens %v)", errno, k, f.log[k-1], sticky, happens)
					runs++
					least := int64(2)
					switch {
					case err == nil && c == nil:
						t.Fatalf("%s: no checkpoint and no error", what)
					case err == nil: // only reads about what is old may fail unnoticed
						if op := strings.Fields(f.log[k-1])[0]; op != "open" && op != "read" && op != "close" && op != "readdir" {
							t.Fatalf("%s: not an error", what)
						}
						least = 3
					case !errors.Is(err, errno):
						if !errors.Is(err, ErrDamaged) { // found by reading back
							t.Fatalf("%s: got %v", what, err)
						}
					case errno == syscall.ENOSPC && !strings.Contains(err.Error(), "hint: free"):
						t.Fatalf("%s: no hint in %v", what, err)
					case c != nil:
						least = 3
					}
					r.flock.Close()
					mustGoOn(t, dir, what, least)
				}
			}
		}
	}
	t.Logf("%d failures at %d operations", runs, total)
}

func TestADiskThatLiesAboutAWriteIsFoundBeforeAnythingIsRemoved(t *testing.T) {
	for _, lie := range []string{"short", "zero"} {
		for _, name := range allFiles {
			var f faults
			r, dir := twoSaves(t, &f)
			ops, honest := r.ops, r.ops.Create
			ops.Create = func(path string, perm fs.FileMode) (durable.File, error) {
				out, err := honest(path, perm)
				if filepath.Base(path) == name {
					out = lying{out, lie}
				}
				return out, err
			}
			r.ops = ops
			if _, err := saveStep(r, 3); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), name) {
				t.Fatalf("%s %s: got %v", lie, name, err)
			}
			r.Close()
			mustGoOn(t, dir, lie+" "+name, 2)
		}
	}
}

// lying is a file that loses the last byte of a write, or writes it as zero,
// and says that all is well.
type lying struct {
	durable.File
	lie string
}

func (l lying) Write(p []byte) (int, error) {
	b := append([]byte(nil), p...)
	b[len(b)-1] = 0
	if l.lie == "short" {
		b = b[:len(b)-1]
	}
	if _, err := l.File.Write(b); err != nil {
		return 0, err
	}
	return len(p), nil
}
