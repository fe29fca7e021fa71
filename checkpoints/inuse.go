package checkpoints

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// InUse reports whether a process holds the run folder dir. It asks the kernel
// by taking a shared lock for an instant, and makes no file.
func InUse(dir string) (bool, error) {
	file := filepath.Join(dir, lockFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	l := flock.New(file, flock.SetFlag(os.O_RDONLY))
	free, err := l.TryRLock()
	if err != nil {
		return false, fmt.Errorf("checkpoints: lock %s: %w", dir, err)
	}
	if !free {
		return true, nil
	}
	return false, l.Close()
}
