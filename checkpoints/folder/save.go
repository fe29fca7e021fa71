package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stillhouse/checkpoints/internal/durable"
)

// File is one file of a folder.
type File struct {
	Name  string // no path
	Write func(w io.Writer) error
}

// Bytes is a file of these bytes.
func Bytes(name string, b []byte) File {
	return File{name, func(w io.Writer) error { _, err := w.Write(b); return err }}
}

// Save writes a folder at dir, which must not exist or be empty: all of it or,
// after an error, a kill or a power cut, none. finish, if not nil, is called
// when all files are written, with the folder in which they then are, and returns
// more of them. It panics when a name is a path.
func Save(dir string, files []File, finish func(temp string) ([]File, error)) error {
	return SaveOn(durable.OS(), dir, files, finish)
}

// SaveOn is Save on a disk of the caller's, for tests.
func SaveOn(ops durable.Ops, dir string, files []File, finish func(temp string) ([]File, error)) error {
	dir = filepath.Clean(dir)
	// An empty folder gives way to a rename; nothing else does.
	switch entries, err := ops.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return fmt.Errorf("%w and is not empty (hint: name another folder, or delete it)", fs.ErrExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return durable.Hint(err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return durable.Hint(err)
	}
	temp := filepath.Join(filepath.Dir(dir), fmt.Sprintf("%s%s-%d", durable.TempPrefix, filepath.Base(dir), os.Getpid()))
	if err := ops.RemoveAll(temp); err != nil { // of a process that had our number
		return durable.Hint(err)
	}
	put := func(files []File) error {
		for _, f := range files {
			if !IsName(f.Name) {
				panic(fmt.Sprintf("folder: Save: %q is no plain file name", f.Name))
			}
			if _, err := ops.Stream(filepath.Join(temp, f.Name), 0o666, f.Write); err != nil {
				return err
			}
		}
		return nil
	}
	return durable.Hint(ops.Folder(temp, dir, 0o777, func() error {
		if err := put(files); err != nil || finish == nil {
			return err
		}
		more, err := finish(temp)
		if err != nil {
			return err
		}
		return put(more)
	}))
}

// IsName reports whether name is a file name and nothing that leads elsewhere.
func IsName(name string) bool {
	return fs.ValidPath(name) && name != "." && !strings.ContainsAny(name, "/\\\x00")
}
