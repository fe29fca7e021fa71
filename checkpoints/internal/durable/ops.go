package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// TempPrefix begins the name of whatever is not finished; readers skip it.
const TempPrefix = ".tmp-"

// File is a file being written.
type File interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

// Ops are the operations on the disk. Every one takes whole paths.
type Ops struct {
	Mkdir     func(path string, perm fs.FileMode) error
	Create    func(path string, perm fs.FileMode) (File, error) // it must not exist
	Append    func(path string, perm fs.FileMode) (File, error) // made if it does not exist
	Open      func(path string) (io.ReadCloser, error)
	ReadDir   func(path string) ([]fs.DirEntry, error)
	Rename    func(from, to string) error
	RemoveAll func(path string) error
	SyncDir   func(path string) error
}

// OS returns the operations of the operating system.
func OS() Ops {
	return Ops{
		Mkdir: os.Mkdir,
		Create: func(path string, perm fs.FileMode) (File, error) {
			return orNil(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm))
		},
		Append: func(path string, perm fs.FileMode) (File, error) {
			return orNil(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, perm))
		},
		Open:      func(path string) (io.ReadCloser, error) { return os.Open(path) },
		ReadDir:   os.ReadDir,
		Rename:    os.Rename,
		RemoveAll: os.RemoveAll,
		SyncDir:   syncDir,
	}
}

// orNil keeps a nil *os.File from becoming a File that is not nil.
func orNil(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// syncDir makes the names in a folder durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
