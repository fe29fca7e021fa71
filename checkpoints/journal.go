package checkpoints

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"stillhouse/checkpoints/internal/durable"
)

// Journal is a file of lines that only grows, but for Truncate. A line is in it
// whole or not at all as long as the process lives; after a kill the last one
// may be in part, which Truncate to the length that a checkpoint recorded takes
// care of.
type Journal struct {
	path string
	f    durable.File
	size int64
	err  error // set when a line is left in part; nothing is appended after it
}

func openJournal(ops durable.Ops, path string) (*Journal, error) {
	f, err := ops.Append(path, filePerm)
	if err != nil {
		return nil, fmt.Errorf("checkpoints: %w", durable.Hint(err))
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("checkpoints: %w", err), f.Close())
	}
	return &Journal{path: path, f: f, size: info.Size()}, nil
}

// Size returns the length of the file in bytes.
func (j *Journal) Size() int64 { return j.size }

// Append adds one line; its newline is added here. It panics when line holds
// one.
func (j *Journal) Append(line []byte) error {
	if bytes.IndexByte(line, '\n') >= 0 {
		panic(fmt.Sprintf("checkpoints: Append: a newline inside a line of %s: %q", j.path, line))
	}
	if j.err != nil {
		return j.err
	}
	n, err := j.f.Write(append(line[:len(line):len(line)], '\n'))
	if err == nil {
		j.size += int64(n)
		return nil
	}
	err = fmt.Errorf("checkpoints: append to %s: %w", j.path, durable.Hint(err))
	if n > 0 {
		if cut := j.f.Truncate(j.size); cut != nil {
			j.err = errors.Join(err, cut)
			return j.err
		}
	}
	return err
}

// Sync makes every line durable. After an error the journal takes no more: what
// the disk has lost it does not admit to twice.
func (j *Journal) Sync() error {
	if j.err != nil {
		return j.err
	}
	if err := j.f.Sync(); err != nil {
		j.err = fmt.Errorf("checkpoints: sync %s: %w", j.path, durable.Hint(err))
	}
	return j.err
}

// Truncate cuts the file to size bytes: what was appended after a checkpoint
// was saved is going to be appended again. The error says so when the file is
// shorter than that.
func (j *Journal) Truncate(size int64) error {
	if size < 0 || size > j.size {
		return fmt.Errorf("checkpoints: %s has %d bytes, the checkpoint recorded %d: %w (hint: lines are lost, so a report will lack them; cut the run back to an older checkpoint, or start a new one)",
			j.path, j.size, size, ErrDamaged)
	}
	if j.err != nil {
		return j.err
	}
	if size == j.size {
		return nil
	}
	if err := errors.Join(j.f.Truncate(size), j.f.Sync()); err != nil {
		j.err = fmt.Errorf("checkpoints: cut %s to %d bytes: %w", j.path, size, err)
		return j.err
	}
	j.size = size
	return nil
}

func (j *Journal) close() error { return j.f.Close() }
