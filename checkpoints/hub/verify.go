package hub

import (
	"crypto/sha1" // Git's name of a blob, not a defence
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
)

// hasher returns the hash that the file's own is of.
func (f file) hasher() hash.Hash {
	if len(f.hash) == 2*sha256.Size {
		return sha256.New()
	}
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", f.size)
	return h
}

// verify reads the file at path and returns an error that wraps ErrDamaged if it
// is not what is listed.
func (f file) verify(path string) error {
	r, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	defer r.Close()
	h := f.hasher()
	n, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{r}, make([]byte, 1<<20))
	if err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	if n != f.size {
		return fmt.Errorf("%s: %w: %d bytes, want %d", f.name, ErrDamaged, n, f.size)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != f.hash {
		return fmt.Errorf("%s: %w: its hash is %s, want %s", f.name, ErrDamaged, got, f.hash)
	}
	return nil
}
