package checkpoints

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"stillhouse/checkpoints/internal/durable"
)

// Cache is a folder of values that can be computed again, each under the hash of
// all that it depends on. Any number of runs may share one: a file appears whole
// or not at all, and two that write one key write the same bytes. Its methods may
// be called by several goroutines.
//
// Nothing is synced to the disk. A file that a power failure cuts off fails its
// checksum, as one that was damaged or renamed does, and is as good as missing.
type Cache struct {
	dir    string
	limit  int64     // bytes; 0: none
	opened time.Time // what was used since is not given up

	mu   sync.Mutex
	size int64 // of the folder at the last look, and what was put since; -1: not looked yet
	own  int64 // of that, put since
	full bool  // nothing more can be given up
}

// CacheKey is the SHA-256 of what a value depends on.
type CacheKey [sha256.Size]byte

// cacheMagic begins a file; the key and the SHA-256 of key and value follow, and
// then the value.
const cacheMagic = "stillcache1\n"

// CacheHeader is how many bytes a file is larger than its value.
const CacheHeader = len(cacheMagic) + 2*sha256.Size

// OpenCache makes the folder of a cache where it is missing. limit bounds its
// bytes, 0 does not: see Put.
func OpenCache(dir string, limit int64) (*Cache, error) {
	if err := os.MkdirAll(dir, dirPerm); err != nil {
		return nil, fmt.Errorf("cache: %w", durable.Hint(err))
	}
	return &Cache{dir: dir, limit: limit, opened: time.Now(), size: -1}, nil
}

// Dir returns the folder.
func (c *Cache) Dir() string { return c.dir }

// path spreads the files over 256 folders.
func (c *Cache) path(key CacheKey) string {
	name := hex.EncodeToString(key[:])
	return filepath.Join(c.dir, name[:2], name[2:])
}

// Get fills value with what is under key and reports whether it did. The error
// wraps ErrDamaged for a file that is not what Put wrote, or is of another size;
// value then holds anything.
func (c *Cache) Get(key CacheKey, value []byte) (bool, error) {
	path := c.path(key)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cache: %w", err)
	}
	defer f.Close()
	damaged := func(why string) error { return fmt.Errorf("cache: %s: %s: %w", path, why, ErrDamaged) }
	head := make([]byte, CacheHeader)
	if _, err := io.ReadFull(f, head); err != nil {
		return false, damaged("no header")
	}
	magic, of, sum := head[:len(cacheMagic)], head[len(cacheMagic):][:sha256.Size], head[len(cacheMagic)+sha256.Size:]
	if string(magic) != cacheMagic {
		return false, damaged("not a cached value")
	}
	if !bytes.Equal(of, key[:]) {
		return false, damaged("the value of another key")
	}
	info, err := f.Stat()
	if err != nil || info.Size() != int64(CacheHeader+len(value)) {
		return false, damaged(fmt.Sprintf("not %d bytes", CacheHeader+len(value)))
	}
	if _, err := io.ReadFull(f, value); err != nil {
		return false, damaged(err.Error())
	}
	if got := cacheSum(key, value); !bytes.Equal(got[:], sum) {
		return false, damaged("the checksum differs")
	}
	c.touch(path, info)
	return true, nil
}

// Put writes value under key, in place of what is there, and reports whether it
// did: where the limit leaves no room, the oldest values that were not used since
// the cache was opened are given up, and if that is not enough this one is not
// kept. A set that does not fit and is read again and again is thus kept in part,
// and a run never gives up what another one is using.
func (c *Cache) Put(key CacheKey, value []byte) (kept bool, err error) {
	if ok, err := c.room(int64(CacheHeader + len(value))); !ok {
		return false, err
	}
	path := c.path(key)
	if err := os.MkdirAll(filepath.Dir(path), dirPerm); err != nil {
		return false, fmt.Errorf("cache: %w", durable.Hint(err))
	}
	f, err := os.CreateTemp(filepath.Dir(path), durable.TempPrefix+"*")
	if err != nil {
		return false, fmt.Errorf("cache: %w", durable.Hint(err))
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name()) // what is left of it fails no reader
			err = fmt.Errorf("cache: write %s: %w", path, durable.Hint(err))
		}
	}()
	sum := cacheSum(key, value)
	for _, b := range [][]byte{[]byte(cacheMagic), key[:], sum[:], value} {
		if _, err := f.Write(b); err != nil {
			return false, errors.Join(err, f.Close())
		}
	}
	if err := f.Close(); err != nil {
		return false, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return false, err
	}
	return true, nil
}

func cacheSum(key CacheKey, value []byte) (sum CacheKey) {
	h := sha256.New()
	h.Write(key[:])
	h.Write(value)
	h.Sum(sum[:0])
	return sum
}
