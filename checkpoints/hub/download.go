package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"stillhouse/checkpoints/internal/durable"
)

// incomplete ends the name of what is not whole yet.
const incomplete = ".incomplete"

// lockPoll is how often a process asks whether another is done with a file.
const lockPoll = 200 * time.Millisecond

// fetch brings one file into blobs, unless it is there, and returns when its
// bytes are verified; tell hears how many of them there are.
func (c *Client) fetch(ctx context.Context, r Ref, commit string, f file, tell func(done int64)) error {
	blobs := c.blobs(r)
	final := filepath.Join(blobs, f.hash)
	if whole(final, f.size) {
		tell(f.size)
		return nil
	}
	// One process fetches a file; others wait and then find it.
	lockPath := filepath.Join(c.Cache, ".locks", folderOf(r), f.hash+".lock")
	if err := os.MkdirAll(filepath.Dir(lockPath), 0o755); err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	lock := flock.New(lockPath)
	if ok, err := lock.TryLockContext(ctx, lockPoll); !ok {
		return fmt.Errorf("%w: lock of %s: %w", errDisk, f.name, err)
	}
	defer lock.Unlock()
	if whole(final, f.size) {
		tell(f.size)
		return nil
	}
	partial := final + incomplete
	address := c.address(r, commit, f.name)
	damaged := 0
	return c.again(ctx, func() (bool, error) {
		before := sizeOf(partial)
		err := c.append(ctx, address, f, partial, tell)
		progress := sizeOf(partial) > before
		if err != nil {
			return progress, err
		}
		if err = f.verify(partial); errors.Is(err, ErrDamaged) {
			// What is wrong may be the beginning that was there already: once more
			// from nothing, and then it is the server's.
			if rm := os.Remove(partial); rm != nil {
				return false, fmt.Errorf("%w: %w", errDisk, rm)
			}
			if damaged++; damaged > 1 {
				return false, &finalError{fmt.Errorf("%w (hint: the server or something on the way changes files; try another HF_ENDPOINT)", err)}
			}
			return false, err
		}
		if err != nil {
			return false, err
		}
		if err := os.Rename(partial, final); err != nil {
			return false, fmt.Errorf("%w: %w", errDisk, err)
		}
		if err := durable.OS().SyncDir(blobs); err != nil {
			return false, fmt.Errorf("%w: %w", errDisk, err)
		}
		return true, nil
	})
}

// finalError is an error that no other try mends.
type finalError struct{ err error }

func (e *finalError) Error() string { return e.err.Error() }
func (e *finalError) Unwrap() error { return e.err }

// append asks for the bytes that partial lacks and adds them; nil means that it
// has as many as it should.
func (c *Client) append(ctx context.Context, address string, f file, partial string, tell func(done int64)) error {
	have := sizeOf(partial)
	if have > f.size {
		if err := os.Remove(partial); err != nil {
			return fmt.Errorf("%w: %w", errDisk, err)
		}
		have = 0
	}
	tell(have)
	if have == f.size && have > 0 {
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var header map[string]string
	if have > 0 {
		header = map[string]string{"Range": fmt.Sprintf("bytes=%d-", have)}
	}
	stall := c.Stall
	if stall == 0 {
		stall = time.Minute
	}
	dead := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no byte of %s for %v", f.name, stall)) })
	defer dead.Stop()
	a, err := c.get(ctx, address, header, http.StatusOK, http.StatusPartialContent)
	if err != nil {
		var s *statusError
		if errors.As(err, &s) && s.code == http.StatusRequestedRangeNotSatisfiable && have > 0 {
			// The server has less than what lies here: it is of something else.
			if rm := os.Remove(partial); rm != nil {
				return fmt.Errorf("%w: %w", errDisk, rm)
			}
		}
		return stalled(ctx, err)
	}
	defer a.Body.Close()
	from := int64(0)
	if a.StatusCode == http.StatusPartialContent {
		if from, err = rangeStart(a.Header.Get("Content-Range"), f.size); err != nil {
			return err
		}
		if from != have {
			return fmt.Errorf("%s: asked for bytes from %d on, got them from %d on", f.name, have, from)
		}
	}
	w, err := os.OpenFile(partial, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("%w: %w", errDisk, err)
	}
	n, err := c.copy(w, a.Body, from, f, func() { dead.Reset(stall) }, tell)
	if syncErr := w.Sync(); err == nil && syncErr != nil {
		err = fmt.Errorf("%w: %w", errDisk, syncErr)
	}
	if closeErr := w.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("%w: %w", errDisk, closeErr)
	}
	if err != nil {
		return stalled(ctx, err)
	}
	if from+n < f.size {
		return fmt.Errorf("%s ends after %d of %d bytes", f.name, from+n, f.size)
	}
	return nil
}

// stalled gives the reason for which the context was ended, if it was.
func stalled(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// told is how many bytes pass between two reports of progress.
const told = 1 << 20

// copy writes body at from, and no more than the file should have.
func (c *Client) copy(w *os.File, body io.Reader, from int64, f file, alive func(), tell func(done int64)) (n int64, err error) {
	if err := w.Truncate(from); err != nil {
		return 0, fmt.Errorf("%w: %w", errDisk, err)
	}
	buf := make([]byte, 256<<10)
	last := int64(-told)
	for {
		k, err := body.Read(buf)
		if k > 0 {
			alive()
			if from+n+int64(k) > f.size {
				return n, fmt.Errorf("%s: %w: more than its %d bytes", f.name, ErrDamaged, f.size)
			}
			if _, err := w.WriteAt(buf[:k], from+n); err != nil {
				return n, fmt.Errorf("%w: %w", errDisk, durable.Hint(err))
			}
			n += int64(k)
			if n-last >= told || from+n == f.size {
				last = n
				tell(from + n)
			}
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("%s: after %d of %d bytes: %w", f.name, from+n, f.size, err)
		}
	}
}

// rangeStart reads where the bytes of an answer begin, from bytes 5-9/10.
func rangeStart(header string, size int64) (int64, error) {
	var from, to, all int64
	if n, err := fmt.Sscanf(header, "bytes %d-%d/%d", &from, &to, &all); n != 3 || err != nil {
		return 0, fmt.Errorf("an answer with part of a file says %q of which", header)
	}
	if all != size || from < 0 || from > to || to >= all {
		return 0, fmt.Errorf("%w: the server has %d bytes where the Hub lists %d", ErrDamaged, all, size)
	}
	return from, nil
}

// whole reports whether a file is there with its size.
func whole(path string, size int64) bool {
	s, err := os.Stat(path)
	return err == nil && s.Size() == size
}

func sizeOf(path string) int64 {
	s, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return s.Size()
}
