package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func TestWhatFinishRefusesNeverStandsThere(t *testing.T) {
	parent, bad := t.TempDir(), errors.New("does not verify")
	dir := filepath.Join(parent, "out")
	err := Save(dir, []File{Bytes("a", []byte("1"))}, func(temp string) ([]File, error) {
		if b, err := os.ReadFile(filepath.Join(temp, "a")); err != nil || string(b) != "1" {
			t.Errorf("finish reads %q, %v", b, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there before it is finished: %v", dir, err)
		}
		return nil, bad
	})
	if !errors.Is(err, bad) {
		t.Errorf("got %v, want %v", err, bad)
	}
	if left := names(t, parent); left != nil {
		t.Errorf("%v are left", left)
	}
}

func TestFinishAddsFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "out")
	more := func(string) ([]File, error) { return []File{Bytes("b", []byte("2"))}, nil }
	if err := Save(dir, []File{Bytes("a", []byte("1"))}, more); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(names(t, dir)); got != "[a b]" {
		t.Errorf("got %s, want [a b]", got)
	}
	if err := Save(dir, nil, nil); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "hint: name another folder") {
		t.Errorf("over what is there: %v", err)
	}
}

func TestAFileThatFailsLeavesNothing(t *testing.T) {
	parent, full := t.TempDir(), errors.New("full")
	err := Save(filepath.Join(parent, "out"), []File{Bytes("a", nil), {Name: "b", Write: func(io.Writer) error { return full }}}, nil)
	if left := names(t, parent); !errors.Is(err, full) || left != nil {
		t.Errorf("got %v, %v are left", err, left)
	}
}

func TestAPathPanics(t *testing.T) {
	for _, name := range []string{"../x", "/x", "a/b", "", ".", "..", `a\b`, "a\x00"} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "folder: Save: ") {
					t.Errorf("%q: recovered %v", name, p)
				}
			}()
			_ = Save(filepath.Join(t.TempDir(), "m"), []File{Bytes(name, nil)}, nil)
		}()
	}
}
