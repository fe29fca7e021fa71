package checkpoints

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"

	"stillhouse/checkpoints/safetensors"
)

// ErrDamaged is wrapped by the error that says checkpoints are there and none
// can be used. The command's exit code for it is 11.
var ErrDamaged = errors.New("damaged")

// Checkpoint is a saved state that was read in full and found whole.
type Checkpoint struct {
	Path     string // of its folder
	State    State
	Manifest Manifest
}

// Weights opens the weights; their tensors are read when asked for.
func (c *Checkpoint) Weights() (*safetensors.File, error) {
	return safetensors.Open(filepath.Join(c.Path, weightsFile))
}

// HasOptimizer reports whether the optimizer's state was saved.
func (c *Checkpoint) HasOptimizer() bool {
	return slices.ContainsFunc(c.Manifest.Files, func(f ManifestFile) bool { return f.Name == optimizerFile })
}

// Optimizer opens the optimizer's state. The error wraps fs.ErrNotExist when
// there is none.
func (c *Checkpoint) Optimizer() (*safetensors.File, error) {
	return safetensors.Open(filepath.Join(c.Path, optimizerFile))
}

// place is a checkpoint folder's name, taken apart: step-00000120.2 is the
// second checkpoint of global step 120.
type place struct {
	step, copy int64
}

var placePattern = regexp.MustCompile(`^step-(\d{8,18})(?:\.(\d{1,9}))?$`)

func (p place) String() string {
	if p.copy == 1 {
		return fmt.Sprintf("step-%08d", p.step)
	}
	return fmt.Sprintf("step-%08d.%d", p.step, p.copy)
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.step, q.step), cmp.Compare(p.copy, q.copy))
}

// parsePlace is the inverse of String, which decides: 00000120.02 is no place.
func parsePlace(name string) (p place, ok bool) {
	m := placePattern.FindStringSubmatch(name)
	if m == nil {
		return p, false
	}
	p.step, _ = strconv.ParseInt(m[1], 10, 64) // at most 18 digits: it fits
	p.copy = 1
	if m[2] != "" {
		p.copy, _ = strconv.ParseInt(m[2], 10, 64)
	}
	return p, p.copy > 0 && p.String() == name
}

// places returns the run's checkpoint folders, newest first, whole or not.
func (r *Run) places() ([]place, error) {
	entries, err := r.ops.ReadDir(r.Path(Dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", err)
	}
	var ps []place
	for _, e := range entries {
		if p, ok := parsePlace(e.Name()); ok {
			ps = append(ps, p)
		}
	}
	slices.SortFunc(ps, func(a, b place) int { return b.compare(a) })
	return ps, nil
}

// Latest returns the newest checkpoint that is whole, after reading all of it,
// and what is wrong with the newer ones. Without any checkpoint it returns nil
// and no error; with damaged ones only, an error that wraps ErrDamaged.
func Latest(r *Run) (*Checkpoint, []Problem, error) {
	ps, err := r.places()
	if err != nil {
		return nil, nil, err
	}
	var skipped []Problem
	for _, p := range ps {
		c, problems := r.verify(p)
		if problems == nil {
			return c, skipped, nil
		}
		skipped = append(skipped, problems...)
	}
	if len(ps) > 0 {
		return nil, skipped, fmt.Errorf("checkpoints: %s: %w: none of %d checkpoints can be used, %v (hint: copy one back from elsewhere, or start a new run)",
			r.Path(Dir), ErrDamaged, len(ps), skipped[0])
	}
	return nil, nil, nil
}

// List returns all checkpoints that are whole, newest first, after reading all
// of each, and what is wrong with the others.
func List(r *Run) ([]*Checkpoint, []Problem, error) {
	ps, err := r.places()
	if err != nil {
		return nil, nil, err
	}
	var cs []*Checkpoint
	var wrong []Problem
	for _, p := range ps {
		c, problems := r.verify(p)
		if problems == nil {
			cs = append(cs, c)
		}
		wrong = append(wrong, problems...)
	}
	return cs, wrong, nil
}

// Find returns the newest checkpoint called name (stage-2, or its folder's
// name) after reading all of it. The error wraps fs.ErrNotExist when there is
// none, ErrDamaged when it is not whole.
func Find(r *Run, name string) (*Checkpoint, error) {
	ps, err := r.places()
	if err != nil {
		return nil, err
	}
	var known []string
	for _, p := range ps {
		s, err := r.readState(p)
		if p.String() != name && (err != nil || s.Name != name) {
			known = append(known, cmp.Or(s.Name, p.String()))
			continue
		}
		c, problems := r.verify(p)
		if problems != nil {
			return nil, fmt.Errorf("checkpoints: %v: %w", problems[0], ErrDamaged)
		}
		return c, nil
	}
	return nil, fmt.Errorf("checkpoints: no checkpoint %q in %s, there are %q: %w", name, r.dir, known, os.ErrNotExist)
}
