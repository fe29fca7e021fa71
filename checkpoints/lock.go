package checkpoints

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// ErrLocked is wrapped by the error of a run that another process holds; the
// whole of it is a *LockedError. The command's exit code for it is 13.
var ErrLocked = errors.New("the run is in use")

// LockedError names who holds a run.
type LockedError struct {
	Dir   string
	Owner Owner // zero when it could not be read
}

// Owner is the process that holds a run, as it wrote itself into owner.json.
type Owner struct {
	PID   int       `json:"pid"`
	Host  string    `json:"host"`
	Since time.Time `json:"since"` // for the reader only; nothing depends on it
}

func (e *LockedError) Error() string {
	who := "another process"
	if e.Owner.PID != 0 {
		who = fmt.Sprintf("process %d on %s since %s", e.Owner.PID, e.Owner.Host, e.Owner.Since.Format(time.RFC3339))
	}
	return fmt.Sprintf("%s: %v by %s (hint: wait for it to end, or stop it)", e.Dir, ErrLocked, who)
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// lock takes the run for this process and says so in owner.json. The kernel
// gives the lock back when the process ends, however it ends. The lock file
// stays: were it removed, two processes could hold a lock each, one on the file
// that is gone.
func (r *Run) lock() error {
	r.flock = flock.New(r.Path(lockFile), flock.SetPermissions(filePerm))
	ok, err := r.flock.TryLock()
	if err != nil {
		return fmt.Errorf("checkpoints: lock %s: %w", r.dir, err)
	}
	if !ok {
		locked := &LockedError{Dir: r.dir}
		if b, err := os.ReadFile(r.Path(ownerFile)); err == nil {
			_ = json.Unmarshal(b, &locked.Owner) // a name is a courtesy; without it the lock holds as well
		}
		return fmt.Errorf("checkpoints: %w", locked)
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if err := r.WriteJSON(ownerFile, Owner{PID: os.Getpid(), Host: host, Since: time.Now().Truncate(time.Second)}); err != nil {
		return errors.Join(err, r.flock.Close())
	}
	return nil
}

// unlock gives the run back.
func (r *Run) unlock() error {
	err := os.Remove(filepath.Join(r.dir, ownerFile))
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, r.flock.Close())
}
