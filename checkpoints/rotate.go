package checkpoints

import (
	"fmt"
	"path/filepath"

	"stillhouse/checkpoints/internal/durable"
)

// rotate removes checkpoints without a name that are older than the newest
// KeepLast whole ones. A damaged one is neither counted nor removed.
func (r *Run) rotate() error {
	if r.KeepLast <= 0 {
		return nil
	}
	ps, err := r.places()
	if err != nil {
		return err
	}
	whole := 0
	for _, p := range ps {
		s, err := r.readState(p)
		switch {
		case err != nil || s.Name != "":
		case whole < r.KeepLast:
			if r.whole(p) {
				whole++
			}
		case r.whole(p):
			if err := r.remove(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// whole reports whether the checkpoint can be relied on. It is read in full
// once a process; after that its manifest and the sizes of its files will do.
func (r *Run) whole(p place) bool {
	if !r.verified[p.String()] {
		_, problems := r.verify(p)
		return problems == nil
	}
	m, sizes, err := readManifest(r.ops, r.Path(Dir, p.String()))
	if err != nil {
		return false
	}
	for _, f := range m.Files {
		if size, ok := sizes[f.Name]; !ok || size != f.Size {
			return false
		}
	}
	return true
}

// remove takes the name away first, so that a checkpoint removed in part never
// looks like a damaged one.
func (r *Run) remove(p place) error {
	temp := r.Path(Dir, durable.TempPrefix+"removed-"+p.String())
	if err := r.ops.RemoveAll(temp); err != nil {
		return err
	}
	if err := r.ops.Rename(r.Path(Dir, p.String()), temp); err != nil {
		return err
	}
	delete(r.verified, p.String())
	return r.ops.RemoveAll(temp)
}

// Remove removes a checkpoint of the run, named or not: one that a changed
// recipe made void, or that the user gave up. A damaged one can be removed by
// its path alone.
func Remove(r *Run, path string) error {
	if r.flock == nil {
		return fmt.Errorf("checkpoints: remove %s: %w", path, ErrReadOnly)
	}
	p, ok := parsePlace(filepath.Base(path))
	if !ok || filepath.Clean(path) != r.Path(Dir, p.String()) {
		panic(fmt.Sprintf("checkpoints: Remove: %s is no checkpoint of %s", path, r.dir))
	}
	if err := r.remove(p); err != nil {
		return fmt.Errorf("checkpoints: remove %s: %w", path, durable.Hint(err))
	}
	if err := r.ops.SyncDir(r.Path(Dir)); err != nil {
		return fmt.Errorf("checkpoints: remove %s: %w", path, durable.Hint(err))
	}
	return nil
}
