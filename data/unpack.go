package data

// Files that cannot be read from any place in them, because they are compressed
// or stored by columns, are unpacked once into a folder of the user's cache, under
// a name made of their content. Rows are then read from any place in any order.

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// zstdMemory is the most that a frame may ask for its window: what zstd's own
// tool takes without being told to (--long=27).
const zstdMemory = 128 << 20

// unpack makes every file of the corpus readable in place.
func (c *corpus) unpack(cfg *Config) error {
	for i, name := range c.files {
		kind, err := kindOf(name)
		if err != nil {
			continue // a file that nobody asked to read as records
		}
		source := filepath.Join(c.root, filepath.FromSlash(name))
		var fill func(w io.Writer) error
		suffix := ""
		switch {
		case kind == parquetFile:
			fill, suffix = func(w io.Writer) error { return parquetToLines(w, source) }, ".jsonl"
		case strings.HasSuffix(strings.ToLower(name), compressed):
			fill = func(w io.Writer) error { return decompress(w, source) }
		default:
			continue
		}
		if c.unpacked[int32(i)], err = spool(cfg.SpoolDir, source, suffix, fill); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// spool returns the file that fill makes of source, made now if it is not there.
func spool(dir, source, suffix string, fill func(w io.Writer) error) (string, error) {
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no place to unpack into: %w; hint: set XDG_CACHE_HOME or HOME", err)
		}
		dir = filepath.Join(base, "stillhouse", "unpacked")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	sum, err := fileSum(source)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, sum+suffix)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	temp, err := os.CreateTemp(dir, ".tmp-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(temp.Name()) // nothing is left to remove after the rename
	full := &noteError{w: temp}
	if err := fill(full); err != nil && full.err == nil {
		temp.Close()
		return "", err // the source's fault, not this disk's
	}
	if err = full.err; err == nil {
		err = temp.Sync() // a cut of power must not leave a short file under a final name
	}
	if closed := temp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return "", fmt.Errorf("unpack into %s: %w", dir, err)
	}
	return path, nil
}

// noteError keeps the error of writing, to tell it from one of reading.
type noteError struct {
	w   io.Writer
	err error
}

func (n *noteError) Write(p []byte) (int, error) {
	k, err := n.w.Write(p)
	if err != nil {
		n.err = err
	}
	return k, err
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// decompress writes the content of a file in Zstandard's format.
func decompress(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	d, err := zstd.NewReader(f, zstd.WithDecoderMaxWindow(zstdMemory), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := io.Copy(w, d); err != nil {
		return fmt.Errorf("not sound Zstandard data: %w", err)
	}
	return nil
}
