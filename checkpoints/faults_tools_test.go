package checkpoints

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"

	"stillhouse/checkpoints/internal/durable"
)

// faults counts the operations on the disk and decides what becomes of each.
type faults struct {
	n   int // operations so far
	log []string
	// fate returns an error to fail operation n with, and whether it happens
	// all the same before that (a write: in part).
	fate func(n int, op string) (err error, happens bool)
}

// do runs an operation, or does not.
func (f *faults) do(op, path string, run func() error) error {
	f.n++
	f.log = append(f.log, op+" "+filepath.Base(path))
	err, happens := f.fate(f.n, op)
	if err == nil || happens {
		if e := run(); e != nil {
			return e
		}
	}
	return err
}

// ops wraps the operating system's operations.
func (f *faults) ops() durable.Ops {
	sys := unsynced()
	file := func(op string, create func(string, fs.FileMode) (durable.File, error)) func(string, fs.FileMode) (durable.File, error) {
		return func(path string, perm fs.FileMode) (out durable.File, err error) {
			err = f.do(op, path, func() error { out, err = create(path, perm); return err })
			if err != nil {
				if out != nil {
					out.Close()
				}
				return nil, err
			}
			return &faultyFile{out, path, f}, nil
		}
	}
	return durable.Ops{
		Mkdir: func(path string, perm fs.FileMode) error {
			return f.do("mkdir", path, func() error { return sys.Mkdir(path, perm) })
		},
		Create: file("create", sys.Create),
		Append: file("append", sys.Append),
		Open: func(path string) (out io.ReadCloser, err error) {
			err = f.do("open", path, func() error { out, err = sys.Open(path); return err })
			if err != nil {
				if out != nil {
					out.Close()
				}
				return nil, err
			}
			return &faultyReader{out, path, f}, nil
		},
		ReadDir: func(path string) (out []fs.DirEntry, err error) {
			err = f.do("readdir", path, func() error { out, err = sys.ReadDir(path); return err })
			return out, err
		},
		Rename: func(from, to string) error {
			return f.do("rename", to, func() error { return sys.Rename(from, to) })
		},
		RemoveAll: func(path string) error {
			return f.do("remove", path, func() error { return sys.RemoveAll(path) })
		},
		SyncDir: func(path string) error {
			return f.do("syncdir", path, func() error { return sys.SyncDir(path) })
		},
	}
}

type faultyFile struct {
	durable.File
	path string
	f    *faults
}

func (w *faultyFile) Write(p []byte) (n int, err error) {
	err = w.f.do("write", w.path, func() error {
		part := p
		if err, _ := w.f.fate(w.f.n, "write"); err != nil {
			part = p[:len(p)/2] // what fits on a full disk
		}
		var e error
		n, e = w.File.Write(part)
		return e
	})
	return n, err
}

func (w *faultyFile) Sync() error { return w.f.do("sync", w.path, w.File.Sync) }

func (w *faultyFile) Truncate(size int64) error {
	return w.f.do("truncate", w.path, func() error { return w.File.Truncate(size) })
}

func (w *faultyFile) Close() error {
	err := w.f.do("close", w.path, func() error { return nil })
	return errors.Join(err, w.File.Close()) // the descriptor goes either way
}

type faultyReader struct {
	io.ReadCloser
	path string
	f    *faults
}

func (r *faultyReader) Read(p []byte) (n int, err error) {
	err = r.f.do("read", r.path, func() error { n, err = r.ReadCloser.Read(p); return err })
	return n, err
}
