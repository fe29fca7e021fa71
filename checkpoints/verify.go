package checkpoints

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"stillhouse/checkpoints/internal/durable"
)

// maxSmall bounds what is read of a manifest or a state: a few kilobytes, and
// room for a long skip list.
const maxSmall = 64 << 20

// Verify reads the whole checkpoint in the folder path and compares it with its
// manifest. It returns the checkpoint, or everything that is wrong with it.
func Verify(path string) (*Checkpoint, []Problem) { return verify(durable.OS(), path) }

// verify is Verify of a checkpoint of the run; what is whole is remembered.
func (r *Run) verify(p place) (*Checkpoint, []Problem) {
	c, problems := verify(r.ops, r.Path(Dir, p.String()))
	if problems == nil {
		r.verified[p.String()] = true
	} else {
		delete(r.verified, p.String())
	}
	return c, problems
}

func verify(ops durable.Ops, path string) (*Checkpoint, []Problem) {
	m, sizes, err := readManifest(ops, path)
	if err != nil {
		return nil, []Problem{{path, manifestFile, err.Error()}}
	}
	var problems []Problem
	wrong := func(file, format string, args ...any) {
		problems = append(problems, Problem{path, file, fmt.Sprintf(format, args...)})
	}
	if name := filepath.Base(path); name != m.Checkpoint {
		// A folder that was copied away may be called anything but another step.
		if _, ok := parsePlace(name); ok {
			wrong("", "is the checkpoint %s under another name", m.Checkpoint)
		}
	}
	for _, f := range m.Files {
		size, ok := sizes[f.Name]
		delete(sizes, f.Name)
		switch {
		case !ok:
			wrong(f.Name, "missing")
		case size < 0:
			wrong(f.Name, "not a file")
		case size != f.Size:
			wrong(f.Name, "%d bytes, the manifest says %d", size, f.Size)
		default:
			d, err := ops.Sum(filepath.Join(path, f.Name))
			if got := hex.EncodeToString(d.SHA256[:]); err != nil {
				wrong(f.Name, "cannot be read: %v", err)
			} else if d.Size != f.Size || got != f.SHA256 {
				wrong(f.Name, "%d bytes with SHA-256 %s, the manifest says %d with %s", d.Size, short(got), f.Size, short(f.SHA256))
			}
		}
	}
	for name := range sizes {
		if !strings.HasPrefix(name, ".") { // what file systems and browsers of them leave
			wrong(name, "not in the manifest")
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.File, b.File) })
	if problems != nil {
		return nil, problems
	}
	s, err := readState(ops, path)
	if err != nil {
		return nil, []Problem{{path, stateFile, err.Error()}}
	}
	return &Checkpoint{Path: path, State: s, Manifest: m}, nil
}

// readManifest returns the manifest and the sizes of the other files in the
// folder, -1 for what is no regular file.
func readManifest(ops durable.Ops, path string) (Manifest, map[string]int64, error) {
	entries, err := ops.ReadDir(path)
	if err != nil {
		return Manifest{}, nil, err
	}
	sizes := map[string]int64{}
	for _, e := range entries {
		sizes[e.Name()] = -1
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sizes[e.Name()] = info.Size()
		}
	}
	switch size, ok := sizes[manifestFile]; {
	case !ok:
		return Manifest{}, nil, errors.New("missing")
	case size < 0:
		return Manifest{}, nil, errors.New("not a file")
	}
	delete(sizes, manifestFile)
	b, err := readSmall(ops, filepath.Join(path, manifestFile))
	if err != nil {
		return Manifest{}, nil, err
	}
	m, err := decodeManifest(b)
	return m, sizes, err
}

// readState reads the state of a checkpoint without looking at the rest.
func (r *Run) readState(p place) (State, error) { return readState(r.ops, r.Path(Dir, p.String())) }

func readState(ops durable.Ops, path string) (State, error) {
	var s State
	b, err := readSmall(ops, filepath.Join(path, stateFile))
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err == nil && s.FormatVersion != FormatVersion {
		err = fmt.Errorf("format version %d, this program reads %d", s.FormatVersion, FormatVersion)
	}
	return s, err
}

func readSmall(ops durable.Ops, path string) ([]byte, error) {
	f, err := ops.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if len(b) > maxSmall {
		err = fmt.Errorf("more than %d bytes", maxSmall)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return b, nil
}
