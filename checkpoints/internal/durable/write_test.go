package durable

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTheDigestOfTheWayOutIsThatOfTheWayBack(t *testing.T) {
	ops, path := OS(), filepath.Join(t.TempDir(), "f")
	text := strings.Repeat("stillhouse ", 50_000) // several buffers
	out, err := ops.Stream(path, 0o600, func(w io.Writer) error { _, err := io.WriteString(w, text); return err })
	if err != nil {
		t.Fatal(err)
	}
	back, err := ops.Sum(path)
	if want := (Digest{int64(len(text)), sha256.Sum256([]byte(text))}); err != nil || out != want || back != want {
		t.Errorf("got %x and %x, want %x: %v", out, back, want, err)
	}
	if _, err := ops.Stream(path, 0o600, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file that is there: got %v", err)
	}
	if _, err := ops.Sum(filepath.Dir(path)); err == nil {
		t.Error("a folder was summed")
	}
}

func TestAFolderIsThereWholeOrNotAtAll(t *testing.T) {
	ops, dir := OS(), t.TempDir()
	temp, final := filepath.Join(dir, TempPrefix+"a"), filepath.Join(dir, "a")
	stop := errors.New("stop")
	put := func(name string) error { return ops.WriteFile(filepath.Join(temp, name), []byte(name), 0o600) }
	err := ops.Folder(temp, final, 0o700, func() error { return errors.Join(put("x"), stop) })
	if left, e := os.ReadDir(dir); !errors.Is(err, stop) || e != nil || len(left) > 0 {
		t.Errorf("after an error: %v, %v is left", err, left)
	}
	if err := ops.Folder(temp, final, 0o700, func() error { return errors.Join(put("x"), put("y")) }); err != nil {
		t.Fatal(err)
	}
	if err := ops.Folder(temp, final, 0o700, func() error { return put("z") }); err == nil {
		t.Error("a folder that is there was replaced")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("got %v %v", left, err)
	}
}

func TestHintsSayWhatToDoAndKeepTheError(t *testing.T) {
	for err, want := range map[error]string{syscall.ENOSPC: "free some space", syscall.EROFS: "read-only", fs.ErrPermission: "who owns"} {
		if got := Hint(fmt.Errorf("write: %w", err)); !errors.Is(got, err) || !strings.Contains(got.Error(), want) {
			t.Errorf("got %v", got)
		}
	}
	if Hint(nil) != nil || Hint(io.EOF) != io.EOF {
		t.Error("a hint where there is none")
	}
}
