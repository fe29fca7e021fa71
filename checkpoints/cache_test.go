package checkpoints

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"testing"
)

func TestACachedValueComesBackOrIsMissing(t *testing.T) {
	c, err := OpenCache(t.TempDir()+"/a/b", 0)
	if err != nil {
		t.Fatal(err)
	}
	one, two := CacheKey(sha256.Sum256([]byte("one"))), CacheKey(sha256.Sum256([]byte("two")))
	want := []byte("the value of one")
	for range 2 { // the second replaces the first
		if ok, err := c.Put(one, want); !ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	got := make([]byte, len(want))
	if ok, err := c.Get(one, got); !ok || err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v, %v", got, ok, err)
	}
	if ok, err := c.Get(two, got); ok || err != nil {
		t.Errorf("a key that was never put: %v, %v", ok, err)
	}
}

// TestACachedFileThatIsNotWhatWasPutIsDamaged at every byte, at every length,
// under another key and for another size.
func TestACachedFileThatIsNotWhatWasPutIsDamaged(t *testing.T) {
	c, err := OpenCache(t.TempDir(), 0)
	if err != nil {
		t.Fatal(err)
	}
	one, two := CacheKey(sha256.Sum256([]byte("one"))), CacheKey(sha256.Sum256([]byte("two")))
	value := []byte{1, 2, 3, 4, 5}
	for _, k := range []CacheKey{one, two} {
		if _, err := c.Put(k, value); err != nil {
			t.Fatal(err)
		}
	}
	whole, err := os.ReadFile(c.path(one))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, file []byte, size int) {
		t.Helper()
		if err := os.WriteFile(c.path(one), file, 0o666); err != nil {
			t.Fatal(err)
		}
		if ok, err := c.Get(one, make([]byte, size)); ok || !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v, %v", what, ok, err)
		}
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 4
		refused("a changed bit", bad, len(value))
		refused("a part", whole[:i], len(value))
	}
	refused("more", append(bytes.Clone(whole), 0), len(value))
	refused("another size", whole, len(value)-1)
	foreign, err := os.ReadFile(c.path(two))
	if err != nil {
		t.Fatal(err)
	}
	refused("the file of another key", foreign, len(value))
}
