package distill

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stillhouse/checkpoints"
)

// RunState is how far a run folder has come.
type RunState string

const (
	RunComplete    RunState = "complete"
	RunInterrupted RunState = "interrupted" // or failed, or killed: it can be resumed
	RunRunning     RunState = "running"     // a process holds it
)

// RunInfo is a run folder in one line.
type RunInfo struct {
	Name    string    `json:"name"`
	Dir     string    `json:"dir"`
	State   RunState  `json:"state"`
	Reason  string    `json:"reason,omitempty"` // why it stopped short
	Strip   string    `json:"layers"`           // of the newest student that was evaluated
	Last    string    `json:"last"`             // what that was: teacher, stage-2, …
	KL      float64   `json:"kl"`
	Seconds float64   `json:"seconds"` // of all its sessions
	Updated time.Time `json:"updated"`
}

// ListRuns returns the runs in a folder, the newest first. A folder that is no
// run is passed over, one deeper is looked into: ablations keep theirs there.
func ListRuns(dir string) ([]RunInfo, error) {
	rs := []RunInfo{}
	for _, pattern := range []string{"*", filepath.Join("*", "*")} {
		found, err := filepath.Glob(filepath.Join(globEscape(dir), pattern, checkpoints.RecipeFile))
		if err != nil {
			return nil, fmt.Errorf("runs in %s: %w", dir, err)
		}
		for _, file := range found {
			r, err := readRunInfo(filepath.Dir(file))
			if err != nil {
				return nil, err
			}
			rs = append(rs, r)
		}
	}
	slices.SortStableFunc(rs, func(a, b RunInfo) int {
		return cmp.Or(b.Updated.Compare(a.Updated), cmp.Compare(a.Dir, b.Dir))
	})
	return rs, nil
}

// globEscape makes a path a pattern that only matches itself.
func globEscape(path string) string {
	var b []byte
	for _, c := range []byte(path) {
		if c == '*' || c == '?' || c == '[' || c == '\\' && filepath.Separator != '\\' {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return string(b)
}

func readRunInfo(dir string) (RunInfo, error) {
	i := RunInfo{Name: filepath.Base(dir), Dir: dir, State: RunInterrupted}
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		return i, err
	}
	defer folder.Close()
	for _, f := range []string{checkpoints.RecipeFile, checkpoints.MetricsFile, resultFile} {
		if s, err := os.Stat(folder.Path(f)); err == nil && s.ModTime().After(i.Updated) {
			i.Updated = s.ModTime()
		}
	}
	i.Updated = i.Updated.Truncate(time.Second)
	events, _ := readEvents(folder) // the last line may be torn: the run is under way, or was killed
	for _, e := range events {
		if e.Eval != nil {
			i.Strip, i.Last, i.KL = e.Eval.Strip, e.Eval.Name, e.Eval.KL
		}
	}
	x := run{folder: folder}
	spent, err := x.timeSpent()
	if err != nil {
		return i, err
	}
	i.Seconds = spent.Seconds()
	held, err := checkpoints.InUse(dir)
	if err != nil {
		return i, err
	}
	var about About
	var res Result
	switch err := folder.ReadJSON(resultFile, &res); {
	case err == nil && res.Complete:
		i.State = RunComplete
	case held:
		i.State = RunRunning
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		i.Reason = err.Error()
	default:
		if folder.ReadJSON(aboutFile, &about) == nil && about.Unfinished != underWay && !strings.HasSuffix(about.Unfinished, ErrInterrupted.Error()) {
			i.Reason = about.Unfinished
		}
	}
	return i, nil
}
