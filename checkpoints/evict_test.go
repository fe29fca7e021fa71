package checkpoints

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// fileOf is the size of a file of the tests, whose values are of 100 bytes.
const fileOf = int64(100) + int64(CacheHeader)

func numbered(i int) CacheKey { return sha256.Sum256(fmt.Append(nil, i)) }

// held returns which of n numbered values are there.
func held(t *testing.T, c *Cache, n int) (is []int) {
	t.Helper()
	for i := range n {
		ok, err := c.Get(numbered(i), make([]byte, 100))
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			is = append(is, i)
		}
	}
	return is
}

func bytesIn(t *testing.T, dir string) (n int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, err := d.Info()
			n += info.Size()
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// age makes a numbered value one that was last used so many hours ago.
func age(t *testing.T, c *Cache, i, hours int) {
	t.Helper()
	when := time.Now().Add(-time.Duration(hours) * time.Hour)
	if err := os.Chtimes(c.path(numbered(i)), when, when); err != nil {
		t.Fatal(err)
	}
}

func TestACacheGivesUpWhatWasUnusedLongestAndNothingInUse(t *testing.T) {
	dir := t.TempDir()
	stranger := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(stranger, make([]byte, 10*fileOf), 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := OpenCache(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if ok, err := c.Put(numbered(i), make([]byte, 100)); !ok || err != nil {
			t.Fatal(ok, err)
		}
		age(t, c, i, 1+(i+5)%10) // 5 is the newest, 4 the oldest
	}
	if c, err = OpenCache(dir, 10*fileOf); err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Get(numbered(4), make([]byte, 100)); !ok || err != nil { // the oldest is in use now
		t.Fatal(ok, err)
	}
	if ok, err := c.Put(numbered(10), make([]byte, 100)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	// A tenth more than it must: 3 and 2, the oldest but 4.
	if got, want := fmt.Sprint(held(t, c, 11)), "[0 1 4 5 6 7 8 9 10]"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	// All others are in use now too: what comes after is not kept.
	for i := 11; i < 15; i++ {
		if _, err := c.Put(numbered(i), make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := fmt.Sprint(held(t, c, 15)), "[0 1 4 5 6 7 8 9 10 11]"; got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	if n := bytesIn(t, dir); n != 20*fileOf {
		t.Errorf("%d bytes with the file of somebody else, want %d", n, 20*fileOf)
	}
}

func TestAValueLargerThanTheLimitIsNotKept(t *testing.T) {
	c, err := OpenCache(t.TempDir(), fileOf-1)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := c.Put(numbered(1), make([]byte, 100)); ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
}

// TestTwoProcessesKeepOneCacheWithinItsLimit, but for the share that each puts
// between two looks.
func TestTwoProcessesKeepOneCacheWithinItsLimit(t *testing.T) {
	dir, limit := t.TempDir(), 100*fileOf
	var wg sync.WaitGroup
	for p := range 2 {
		c, err := OpenCache(dir, limit)
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for i := range 150 {
				k := numbered(1000*p*(i%2) + i) // half of them both write
				if _, err := c.Put(k, make([]byte, 100)); err != nil {
					t.Error(err)
				}
				if _, err := c.Get(k, make([]byte, 100)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := bytesIn(t, dir); n > limit+2*limit/lookAgain+2*fileOf || n < limit*9/10 {
		t.Errorf("%d bytes, the limit is %d", n, limit)
	}
}

func TestWhatAKilledProcessLeftUnfinishedIsRemoved(t *testing.T) {
	c, err := OpenCache(t.TempDir(), 10*fileOf)
	if err != nil {
		t.Fatal(err)
	}
	sub := filepath.Join(c.Dir(), "ab")
	old, fresh := filepath.Join(sub, ".tmp-1"), filepath.Join(sub, ".tmp-2")
	if err := os.Mkdir(sub, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{old, fresh} {
		if err := os.WriteFile(f, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	when := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(old, when, when); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Put(numbered(1), make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("the old one is there still: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("the one being written is gone: %v", err)
	}
}
