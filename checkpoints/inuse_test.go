package checkpoints

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInUseAsksWithoutTakingOrMakingAnything(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	is := func(want bool) {
		t.Helper()
		if got, err := InUse(dir); err != nil || got != want {
			t.Errorf("in use: %v, %v; want %v", got, err, want)
		}
	}
	is(false) // not even there
	r, err := CreateRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	is(true)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	is(false)
	if r, err = OpenRun(dir); err != nil {
		t.Fatalf("asking has kept the lock: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	is(false)
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err == nil {
		t.Error("asking made a lock file")
	}
}
