package checkpoints

import (
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"stillhouse/checkpoints/internal/durable"
	"stillhouse/checkpoints/safetensors"
)

// Save writes a checkpoint of s.GlobalStep and, when it is whole on the disk,
// removes old ones as r.KeepLast says. A nil optimizer is one that starts
// fresh. Save sets s.FormatVersion and s.MetricsBytes in what it writes.
//
// An error with a nil Checkpoint means that nothing changed, or that it is not
// certain to survive a power cut; training may go on and try again. An error
// with a Checkpoint means that it was saved and an old one could not be
// removed.
func Save(r *Run, s State, weights, optimizer []safetensors.Named) (*Checkpoint, error) {
	if s.GlobalStep < 0 || s.GlobalStep >= 1e18 {
		panic(fmt.Sprintf("checkpoints: Save: global step %d", s.GlobalStep))
	}
	if r.flock == nil {
		return nil, fmt.Errorf("checkpoints: save step %d: %w", s.GlobalStep, ErrReadOnly)
	}
	c, err := r.save(s, weights, optimizer)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: save step %d: %w", s.GlobalStep, durable.Hint(err))
	}
	if err := r.rotate(); err != nil {
		return c, fmt.Errorf("checkpoints: saved step %d, but not removed what is old: %w", s.GlobalStep, durable.Hint(err))
	}
	return c, nil
}

func (r *Run) save(s State, weights, optimizer []safetensors.Named) (*Checkpoint, error) {
	if err := r.removeTemps(); err != nil {
		return nil, err
	}
	p, err := r.free(s.GlobalStep)
	if err != nil {
		return nil, err
	}
	// The state records the journal's length, so those lines must be there at
	// least as surely as the state.
	if err := r.Metrics.Sync(); err != nil {
		return nil, err
	}
	s.FormatVersion, s.MetricsBytes = FormatVersion, r.Metrics.Size()

	var c *Checkpoint
	temp := r.Path(Dir, durable.TempPrefix+p.String())
	path := r.Path(Dir, p.String())
	err = r.ops.Folder(temp, path, dirPerm, func() error {
		if err := r.fill(temp, p, s, weights, optimizer); err != nil {
			return err
		}
		// Read back before it takes its name: a disk that lied is found while
		// the old checkpoints are all there.
		var problems []Problem
		if c, problems = verify(r.ops, temp); problems != nil {
			return fmt.Errorf("read back: %v: %w", problems[0], ErrDamaged)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.verified[p.String()] = true
	c.Path = path
	return c, nil
}

// fill writes the files of a checkpoint into the folder temp, the manifest
// last.
func (r *Run) fill(temp string, p place, s State, weights, optimizer []safetensors.Named) error {
	m := Manifest{FormatVersion: FormatVersion, CreatedBy: createdBy(), Checkpoint: p.String()}
	put := func(name string, write func(io.Writer) error) error {
		d, err := r.ops.Stream(filepath.Join(temp, name), filePerm, write)
		m.add(name, d)
		return err
	}
	bytesOf := func(b []byte) func(io.Writer) error {
		return func(w io.Writer) error { _, err := w.Write(b); return err }
	}
	tensors := func(named []safetensors.Named) func(io.Writer) error {
		return func(w io.Writer) error { return safetensors.Write(w, named, nil) }
	}
	state, err := encodeState(s)
	if err != nil {
		return err
	}
	if optimizer != nil {
		if err := put(optimizerFile, tensors(optimizer)); err != nil {
			return err
		}
	}
	if err := put(stateFile, bytesOf(state)); err != nil {
		return err
	}
	if err := put(weightsFile, tensors(weights)); err != nil {
		return err
	}
	return put(manifestFile, bytesOf(m.encode()))
}

// free returns the place after every other of that step: two phases meet at one
// global step, and a damaged checkpoint keeps its place. A whole checkpoint of
// a later step is an error: Latest would go on from it and not from this one.
func (r *Run) free(step int64) (place, error) {
	ps, err := r.places()
	free := place{step, 1}
	for _, p := range ps {
		switch {
		case p.step > step && r.whole(p):
			return free, fmt.Errorf("%s is later: %w (hint: remove it to go on from an older one)", r.Path(Dir, p.String()), fs.ErrExist)
		case p.step == step && p.copy >= free.copy:
			free.copy = p.copy + 1
		}
	}
	return free, err
}

// removeTemps removes what a killed Save left.
func (r *Run) removeTemps() error {
	entries, err := r.ops.ReadDir(r.Path(Dir))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), durable.TempPrefix) {
			if err := r.ops.RemoveAll(r.Path(Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
