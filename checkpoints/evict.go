package checkpoints

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stillhouse/checkpoints/internal/durable"
)

// How a Cache stays within its limit. A file's time of change says when it was
// last used. A clock that is wrong costs values that must be computed again and
// nothing else.

// lookAgain is after which share of the limit, put by this process, the folder is
// looked at again: so much each of several processes may pass the limit by.
const lookAgain = 32

// abandoned is the age of an unfinished file that nobody is writing any more.
const abandoned = time.Hour

// cached is a file of the cache.
type cached struct {
	path string
	size int64
	used time.Time
}

// touch notes that a file is in use, once.
func (c *Cache) touch(path string, info fs.FileInfo) {
	if now := time.Now(); info.ModTime().Before(c.opened) {
		os.Chtimes(path, now, now) // of another's file it may fail: then it is given up sooner
	}
}

// room makes room for a file of so many bytes, and counts it.
func (c *Cache) room(need int64) (bool, error) {
	if c.limit == 0 {
		return true, nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if need > c.limit || c.full {
		return false, nil
	}
	if c.size < 0 || c.size+need > c.limit || c.own > c.limit/lookAgain {
		if err := c.giveUp(need); err != nil {
			return false, err
		}
		if c.size+need > c.limit {
			c.full = true
			return false, nil
		}
	}
	c.size += need
	c.own += need
	return true, nil
}

// giveUp looks at the folder and, where need would not fit, removes what was not
// used since the cache was opened, the oldest first and a tenth more than it must,
// so that not every Put has to look.
func (c *Cache) giveUp(need int64) error {
	all, err := c.list()
	if err != nil {
		return err
	}
	c.size, c.own = 0, 0
	for _, f := range all {
		c.size += f.size
	}
	if c.size+need <= c.limit {
		return nil
	}
	slices.SortFunc(all, func(a, b cached) int { return a.used.Compare(b.used) })
	for _, f := range all {
		if c.size+need <= c.limit-c.limit/10 || !f.used.Before(c.opened) {
			break
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cache: make room: %w", err)
		}
		c.size -= f.size
	}
	return nil
}

// list returns the files of the cache, without what others have removed
// meanwhile, and removes what was never finished. What Put does not name so is
// somebody else's.
func (c *Cache) list() (all []cached, err error) {
	err = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		unfinished := strings.HasPrefix(d.Name(), durable.TempPrefix)
		if !isHex(filepath.Base(filepath.Dir(path)), 2) || !unfinished && !isHex(d.Name(), 2*len(CacheKey{})-2) {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if unfinished && info.ModTime().Before(c.opened.Add(-abandoned)) {
			os.Remove(path) // if not now, then next time
			return nil
		}
		all = append(all, cached{path, info.Size(), info.ModTime()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return all, nil
}

func isHex(name string, digits int) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == digits
}
