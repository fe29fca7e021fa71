package checkpoints

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"

	"stillhouse/checkpoints/internal/durable"
)

// The files of a run folder. Scores lie in ScoresFile(method).
const (
	RecipeFile  = "recipe.yaml" // resolved: every default written out
	PlanFile    = "plan.json"
	MetricsFile = "metrics.jsonl" // no wall-clock time inside: equal runs give equal bytes
	TimingFile  = "timing.jsonl"
	ReportFile  = "report.html"
	LogFile     = "log"
	EvalDir     = "eval"
	Dir         = "checkpoints"

	lockFile  = "lock"
	ownerFile = "owner.json"
)

// Who reads a run is for the umask to say: teams share their runs.
const (
	dirPerm  fs.FileMode = 0o777
	filePerm fs.FileMode = 0o666
)

// ErrReadOnly is returned for a change to a run that was opened by ViewRun.
var ErrReadOnly = errors.New("the run is open for reading only")

// ScoresFile returns the name of the file of a scorer's scores.
func ScoresFile(method string) string { return "scores-" + method + ".json" }

// Run is an open run folder. It is for one goroutine, but for Metrics and
// Timing, which are for one each.
type Run struct {
	KeepLast int      // checkpoints without a name that stay; 0: all of them
	Metrics  *Journal // metrics.jsonl; nil after ViewRun
	Timing   *Journal // timing.jsonl; nil after ViewRun

	dir      string
	ops      durable.Ops
	flock    *flock.Flock    // nil after ViewRun
	verified map[string]bool // names of checkpoints this process has read in full and found whole
}

// CreateRun makes the run folder dir, and what is missing above it, and takes
// it for this process. The error wraps fs.ErrExist when a run is there already,
// ErrLocked when another process holds it.
func CreateRun(dir string) (*Run, error) {
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, fmt.Errorf("checkpoints: %w", durable.Hint(err))
	}
	return openRun(dir, durable.OS(), (*Run).mustBeNew)
}

// OpenRun takes the run folder dir for this process, to go on with it. The
// error wraps fs.ErrNotExist when there is none, ErrLocked when another process
// holds it.
func OpenRun(dir string) (*Run, error) {
	return openRun(dir, durable.OS(), func(*Run) error { return nil })
}

// ViewRun opens the run folder dir for reading, whoever holds it.
func ViewRun(dir string) (*Run, error) {
	r := &Run{dir: dir, ops: durable.OS(), verified: map[string]bool{}}
	if err := r.mustExist(); err != nil {
		return nil, err
	}
	return r, nil
}

// openRun takes the folder dir, which must exist, if check agrees.
func openRun(dir string, ops durable.Ops, check func(*Run) error) (*Run, error) {
	r := &Run{KeepLast: 3, dir: dir, ops: ops, verified: map[string]bool{}}
	if err := r.mustExist(); err != nil {
		return nil, err
	}
	if err := r.lock(); err != nil {
		return nil, err
	}
	err := check(r)
	if err == nil {
		err = r.prepare()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Run) mustExist() error {
	switch info, err := os.Stat(r.dir); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("checkpoints: no run at %s: %w", r.dir, err)
	case err != nil:
		return fmt.Errorf("checkpoints: %w", err)
	case !info.IsDir():
		return fmt.Errorf("checkpoints: %s is no folder: %w", r.dir, fs.ErrNotExist)
	}
	return nil
}

// mustBeNew returns an error when anything but an unfinished CreateRun was here.
func (r *Run) mustBeNew() error {
	for _, sub := range []string{"", Dir, EvalDir} {
		entries, err := r.ops.ReadDir(r.Path(sub))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("checkpoints: %w", err)
		}
		for _, e := range entries {
			empty := false // the journals are made at once and grow later
			if info, err := e.Info(); err == nil {
				empty = info.Size() == 0
			}
			switch name := e.Name(); {
			case name == lockFile, name == ownerFile, name == Dir, name == EvalDir, strings.HasPrefix(name, durable.TempPrefix):
			case empty && (name == MetricsFile || name == TimingFile):
			default:
				return fmt.Errorf("checkpoints: %s holds a run already (%s): %w (hint: resume it, or name another)", r.dir, filepath.Join(sub, name), fs.ErrExist)
			}
		}
	}
	return nil
}

// prepare makes the folders and opens the journals.
func (r *Run) prepare() (err error) {
	for _, sub := range []string{Dir, EvalDir} {
		if err := r.ops.Mkdir(r.Path(sub), dirPerm); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("checkpoints: %w", durable.Hint(err))
		}
	}
	if r.Metrics, err = openJournal(r.ops, r.Path(MetricsFile)); err != nil {
		return err
	}
	if r.Timing, err = openJournal(r.ops, r.Path(TimingFile)); err != nil {
		return err
	}
	if err := errors.Join(r.ops.SyncDir(r.dir), r.ops.SyncDir(filepath.Dir(filepath.Clean(r.dir)))); err != nil {
		return fmt.Errorf("checkpoints: %w", err)
	}
	return nil
}

// Close closes the journals and gives the run back.
func (r *Run) Close() error {
	var errs []error
	for _, j := range []*Journal{r.Metrics, r.Timing} {
		if j != nil {
			errs = append(errs, j.close())
		}
	}
	if r.flock != nil {
		errs = append(errs, r.unlock())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("checkpoints: close %s: %w", r.dir, err)
	}
	return nil
}

// Path returns the path of a file of the run.
func (r *Run) Path(elem ...string) string {
	return filepath.Join(append([]string{r.dir}, elem...)...)
}

// WriteFile puts a small file into the run, in place of what was there, so that
// a power cut leaves the old or the new. name is relative to the run.
func (r *Run) WriteFile(name string, data []byte) error {
	if r.flock == nil {
		return fmt.Errorf("checkpoints: write %s: %w", r.Path(name), ErrReadOnly)
	}
	if !filepath.IsLocal(name) {
		panic(fmt.Sprintf("checkpoints: WriteFile: %q leaves the run", name))
	}
	if err := r.ops.WriteFile(r.Path(name), data, filePerm); err != nil {
		return fmt.Errorf("checkpoints: %w", durable.Hint(err))
	}
	return nil
}

// WriteJSON is WriteFile of v as indented JSON.
func (r *Run) WriteJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("checkpoints: encode %s: %w", name, err)
	}
	return r.WriteFile(name, append(b, '\n'))
}

// ReadFile reads a file of the run. The error wraps fs.ErrNotExist when it is
// not there.
func (r *Run) ReadFile(name string) ([]byte, error) {
	b, err := os.ReadFile(r.Path(name))
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	return b, nil
}

// ReadJSON reads what WriteJSON wrote; a key that v has no place for is an
// error, since it would be lost without a word.
func (r *Run) ReadJSON(name string, v any) error {
	b, err := r.ReadFile(name)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("checkpoints: %s: %w", r.Path(name), err)
	}
	return nil
}
