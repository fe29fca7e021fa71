package checkpoints

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"

	"stillhouse/checkpoints/internal/durable"
)

// event is one change to the disk, or, with kind "saved", the moment at which
// Save reported a step as saved.
type event struct {
	kind     string // mkdir create write truncate sync rename remove syncdir saved
	path, to string
	data     []byte
	size     int64 // of truncate; the step of saved
}

// recorder runs operations on the disk and notes the changes, with paths
// relative to dir.
type recorder struct {
	dir string
	log []event
}

func (r *recorder) add(kind, path string, e event) {
	rel, err := filepath.Rel(r.dir, path)
	if err != nil {
		panic(err)
	}
	e.kind, e.path = kind, rel
	r.log = append(r.log, e)
}

func (r *recorder) ops() durable.Ops {
	ops, sys := unsynced(), unsynced()
	note := func(err error, kind, path string, e event) error {
		if err == nil {
			r.add(kind, path, e)
		}
		return err
	}
	ops.Mkdir = func(path string, perm fs.FileMode) error { return note(sys.Mkdir(path, perm), "mkdir", path, event{}) }
	ops.RemoveAll = func(path string) error { return note(sys.RemoveAll(path), "remove", path, event{}) }
	ops.SyncDir = func(path string) error { return note(sys.SyncDir(path), "syncdir", path, event{}) }
	ops.Rename = func(from, to string) error {
		rel, err := filepath.Rel(r.dir, to)
		return note(errors.Join(err, sys.Rename(from, to)), "rename", from, event{to: rel})
	}
	open := func(f durable.File, err error, path string) (durable.File, error) {
		if err != nil {
			return nil, err
		}
		r.add("create", path, event{})
		return recorded{f, path, r}, nil
	}
	ops.Create = func(path string, perm fs.FileMode) (durable.File, error) {
		f, err := sys.Create(path, perm)
		return open(f, err, path)
	}
	ops.Append = func(path string, perm fs.FileMode) (durable.File, error) {
		f, err := sys.Append(path, perm)
		return open(f, err, path)
	}
	return ops
}

type recorded struct {
	durable.File
	path string
	r    *recorder
}

func (f recorded) Write(p []byte) (int, error) {
	f.r.add("write", f.path, event{data: slices.Clone(p)})
	return f.File.Write(p)
}

func (f recorded) Sync() error {
	f.r.add("sync", f.path, event{})
	return f.File.Sync()
}

func (f recorded) Truncate(size int64) error {
	f.r.add("truncate", f.path, event{size: size})
	return f.File.Truncate(size)
}

// node is a file or a folder: what the process sees, and what a power cut is
// sure to leave.
type node struct {
	dir     bool
	data    []byte
	durable []byte
	dirty   bool             // data was not synced
	names   map[string]*node // of a folder, as the process sees it
	synced  map[string]*node // as of its last fsync
	pending []change         // since then, in order
}

// change is what one operation does to a folder's names; a rename does two
// things at once. A nil node is a name that goes.
type change map[string]*node

func folder() *node { return &node{dir: true, names: map[string]*node{}, synced: map[string]*node{}} }

func (n *node) change(c change) {
	for name, child := range c {
		if child == nil {
			delete(n.names, name)
		} else {
			n.names[name] = child
		}
	}
	n.pending = append(n.pending, c)
}

// walk returns the folder that holds path, and the last part of path.
func (n *node) walk(path string) (*node, string) {
	parts := strings.Split(path, string(filepath.Separator))
	for _, p := range parts[:len(parts)-1] {
		n = n.names[p]
	}
	return n, parts[len(parts)-1]
}

// apply does to the model what the event did to the disk. The root is ".".
func (n *node) apply(e event) {
	if e.kind == "saved" {
		return
	}
	in, name := n.walk(e.path)
	self := in.names[name]
	if name == "." {
		self = n
	}
	switch e.kind {
	case "mkdir":
		in.change(change{name: folder()})
	case "create":
		if self == nil { // Append opens what is there
			in.change(change{name: &node{dirty: true}})
		}
	case "write":
		self.data, self.dirty = append(self.data, e.data...), true
	case "truncate":
		self.data, self.dirty = self.data[:e.size:e.size], true
	case "sync":
		self.durable, self.dirty = slices.Clone(self.data), false
	case "remove":
		if self != nil {
			in.change(change{name: nil})
		}
	case "rename":
		_, to := n.walk(e.to) // always in the same folder here
		in.change(change{name: nil, to: self})
	case "syncdir":
		if self != nil { // the folder above the run is not modelled
			self.synced, self.pending = maps.Clone(self.names), nil
		}
	}
}

// cut fills out with one state that a power cut now may leave: any of the
// pending changes of names, in part of every file that was not synced.
func (n *node) cut(r *rand.Rand, path string, out fstest.MapFS) {
	if !n.dir {
		b := n.durable
		if n.dirty {
			whole := n.data
			// What was synced stays: files here only grow, or are cut.
			k := min(len(b), len(whole))
			k += r.IntN(len(whole) - k + 1)
			switch r.IntN(5) {
			case 0: // all of it made it
				b = whole
			case 1: // the length did, the bytes did not
				b = append(slices.Clone(b[:min(len(b), len(whole))]), make([]byte, max(0, len(whole)-len(b)))...)
			case 2: // some of the bytes
				b = append(slices.Clone(whole[:k]), make([]byte, len(whole)-k)...)
			case 3: // some of the length
				b = whole[:k]
			}
		}
		out[path] = &fstest.MapFile{Data: b}
		return
	}
	out[path] = &fstest.MapFile{Mode: fs.ModeDir | 0o700}
	names := maps.Clone(n.synced)
	keep := r.IntN(4) // none, all, a prefix or any
	prefix := r.IntN(len(n.pending) + 1)
	for i, c := range n.pending {
		if keep == 0 || keep == 2 && i >= prefix || keep == 3 && r.IntN(2) == 0 {
			continue
		}
		for name, child := range c {
			if child == nil {
				delete(names, name)
			} else {
				names[name] = child
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		names[name].cut(r, filepath.Join(path, name), out)
	}
}
