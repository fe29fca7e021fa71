package durable

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
)

// Digest is the size of a file and the SHA-256 of its bytes.
type Digest struct {
	Size   int64
	SHA256 [sha256.Size]byte
}

// WriteFile puts data at path, in place of what was there.
func (o Ops) WriteFile(path string, data []byte, perm fs.FileMode) error {
	return o.Replace(path, perm, func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Replace puts what fill writes at path, in place of what was there.
func (o Ops) Replace(path string, perm fs.FileMode, fill func(w io.Writer) error) error {
	temp := filepath.Join(filepath.Dir(path), TempPrefix+filepath.Base(path))
	if err := o.RemoveAll(temp); err != nil { // what a killed process left
		return err
	}
	_, err := o.Stream(temp, perm, fill)
	if err == nil {
		err = o.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, o.RemoveAll(temp))
	}
	return o.SyncDir(filepath.Dir(path))
}

// Folder makes the folder final, which must not exist, in one step: fill puts
// files into the empty folder temp, which then takes its name. After an error
// final does not exist, unless only the last fsync failed, and temp is removed
// as far as the disk allows.
func (o Ops) Folder(temp, final string, perm fs.FileMode, fill func() error) error {
	if err := o.Mkdir(temp, perm); err != nil {
		return err
	}
	err := fill()
	if err == nil {
		err = o.SyncDir(temp)
	}
	if err == nil {
		err = o.Rename(temp, final)
	}
	if err != nil {
		return errors.Join(err, o.RemoveAll(temp))
	}
	return o.SyncDir(filepath.Dir(final))
}

// Stream makes the file path of what fill writes, fsyncs it and returns its
// digest, taken of the bytes on their way.
func (o Ops) Stream(path string, perm fs.FileMode, fill func(w io.Writer) error) (Digest, error) {
	f, err := o.Create(path, perm)
	if err != nil {
		return Digest{}, err
	}
	w := &summing{w: f, hash: sha256.New()}
	err = fill(w)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Digest{}, fmt.Errorf("write %s: %w", path, err)
	}
	return w.digest(), nil
}

// Sum reads the file and returns its digest.
func (o Ops) Sum(path string) (Digest, error) {
	f, err := o.Open(path)
	if err != nil {
		return Digest{}, err
	}
	w := &summing{w: io.Discard, hash: sha256.New()}
	_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, make([]byte, 64<<10))
	if err = errors.Join(err, f.Close()); err != nil {
		return Digest{}, fmt.Errorf("read %s: %w", path, err)
	}
	return w.digest(), nil
}

// summing hashes what it passes on.
type summing struct {
	w    io.Writer
	hash hash.Hash
	size int64
}

func (s *summing) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	s.hash.Write(p[:n])
	s.size += int64(n)
	return n, err
}

func (s *summing) digest() Digest {
	d := Digest{Size: s.size}
	s.hash.Sum(d.SHA256[:0])
	return d
}

// Hint adds what to do about the error, where there is something to do.
func Hint(err error) error {
	for _, h := range []struct {
		is   error
		hint string
	}{
		{syscall.ENOSPC, "free some space, or keep fewer checkpoints"},
		{syscall.EDQUOT, "free some of the quota, or keep fewer checkpoints"},
		{syscall.EROFS, "the disk is read-only: put the run elsewhere"},
		{fs.ErrPermission, "check who owns the folder"},
	} {
		if errors.Is(err, h.is) {
			return fmt.Errorf("%w (hint: %s)", err, h.hint)
		}
	}
	return err
}
