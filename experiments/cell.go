package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"stillhouse/distill"
	"stillhouse/recipes"
)

// Status says how far a cell has come.
type Status string

// The ways a cell can stand.
const (
	Complete   Status = "complete"
	Incomplete Status = "incomplete" // begun; the next run goes on with it
	Failed     Status = "failed"     // not tried again unless asked for
	Missing    Status = "missing"    // not begun
)

// Cell is one arm with one seed, and what came of it.
type Cell struct {
	Arm      string  `json:"arm"`
	Seed     uint64  `json:"seed"`
	Dir      string  `json:"dir"`
	Status   Status  `json:"status"`
	Error    string  `json:"error,omitempty"` // why it failed
	Replaced []int   `json:"replaced,omitempty"`
	Tokens   int64   `json:"tokens"`         // that the student was trained on
	Scoring  int64   `json:"scoring_tokens"` // that choosing the layers took besides
	Seconds  float64 `json:"seconds"`        // of wall-clock time
	// Final is the last evaluation, nil unless complete; Teacher the teacher's.
	Final   *distill.Evaluation `json:"final,omitempty"`
	Teacher *distill.Evaluation `json:"teacher,omitempty"`
}

// failureFile in a cell's folder says why it failed.
const failureFile = "failure.json"

type failure struct {
	Error string `json:"error"`
}

// noteFailure makes a cell's failure last.
func noteFailure(dir string, why error) error {
	b, err := json.MarshalIndent(failure{why.Error()}, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", failureFile, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("note the failure: %w", err)
	}
	return renameio.WriteFile(filepath.Join(dir, failureFile), append(b, '\n'), 0o600)
}

// forgetFailure lets a cell be tried again.
func forgetFailure(dir string) error {
	err := os.Remove(filepath.Join(dir, failureFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// failureOf returns why a cell failed, "" if it has not.
func failureOf(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, failureFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var f failure
	if err := json.Unmarshal(b, &f); err != nil {
		return "", fmt.Errorf("%s: %w (hint: remove it to try the cell again)", filepath.Join(dir, failureFile), err)
	}
	return f.Error, nil
}

// readCell reads what came of a cell from its folder.
func readCell(dir string, c recipes.Cell) (Cell, error) {
	cell := Cell{Arm: c.Arm, Seed: c.Seed, Dir: dir, Status: Missing}
	var err error
	if cell.Error, err = failureOf(dir); err != nil {
		return cell, err
	}
	if cell.Error != "" {
		cell.Status = Failed
		return cell, nil
	}
	res, err := distill.ReadResult(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(dir); err == nil {
			cell.Status = Incomplete
		}
		return cell, nil
	}
	if err != nil {
		return cell, err
	}
	report, err := distill.ReadReport(dir)
	if err != nil {
		return cell, err
	}
	if cell.Seconds, err = distill.ReadSeconds(dir); err != nil {
		return cell, err
	}
	cell.Status, cell.Replaced = Complete, replaced(res.Plan)
	cell.read(report.Events)
	if cell.Final == nil {
		return cell, fmt.Errorf("%s is complete but holds no evaluation of a student", dir)
	}
	return cell, nil
}

// read fills in what the events of a run tell. Its token count includes those
// a teacher was trained on, which are not the student's.
func (c *Cell) read(events []distill.Event) {
	var before, last int64
	for _, e := range events {
		switch {
		case e.Eval != nil && e.Eval.Name == "teacher":
			c.Teacher, before = e.Eval, e.Tokens
		case e.Eval != nil:
			c.Final, last = e.Eval, e.Tokens
		case e.Scores != nil:
			c.Scoring += e.Scores.Tokens
		}
	}
	c.Tokens = last - before
}
