package hub

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"stillhouse/checkpoints/internal/durable"
)

// Model brings a model into the cache and returns its folder.
func (c *Client) Model(ctx context.Context, r Ref) (dir string, err error) {
	if r.Kind != Model {
		return "", fmt.Errorf("%s is no model", r)
	}
	return c.snapshot(ctx, r, modelFiles)
}

// Config brings what describes a model into the cache, its configuration and its
// tokenizer without the weights, and returns their folder.
func (c *Client) Config(ctx context.Context, r Ref) (dir string, err error) {
	if r.Kind != Model {
		return "", fmt.Errorf("%s is no model", r)
	}
	return c.snapshot(ctx, r, configFiles)
}

// Data brings a data set's file into the cache and returns its path; if r names a
// folder or nothing within the data set, all files of records below it, and the
// folder.
func (c *Client) Data(ctx context.Context, r Ref) (string, error) {
	if r.Kind != Dataset {
		return "", fmt.Errorf("%s is no data set", r)
	}
	dir, err := c.snapshot(ctx, r, func(all []file) ([]file, error) { return dataFiles(all, r.Path) })
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.FromSlash(r.Path)), nil
}

// snapshot fetches the files that choose names and returns the folder that they
// are in, at the commit that the revision is now.
func (c *Client) snapshot(ctx context.Context, r Ref, choose func([]file) ([]file, error)) (string, error) {
	if c.Offline {
		return c.offline(r)
	}
	l, err := c.list(ctx, r)
	if err != nil {
		if dir, offline := c.offline(r); offline == nil {
			return "", fmt.Errorf("%w (hint: HF_HUB_OFFLINE=1 takes what is in the cache, %s)", err, dir)
		}
		return "", err
	}
	files, err := choose(l.files)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r, err)
	}
	if err := os.MkdirAll(c.blobs(r), 0o755); err != nil {
		return "", fmt.Errorf("%s: %w", r, err)
	}
	if err := c.fetchAll(ctx, r, l.commit, files); err != nil {
		return "", fmt.Errorf("%s: %w", r, err)
	}
	dir := c.commitDir(r, l.commit)
	for _, f := range files {
		if err := c.link(dir, f); err != nil {
			return "", fmt.Errorf("%s: %s: %w", r, f.name, err)
		}
	}
	// Last of all: an interrupted fetch leaves the revision where it was.
	if r.Revision != l.commit {
		ref := filepath.Join(c.repo(r), "refs", filepath.FromSlash(r.Revision))
		err := os.MkdirAll(filepath.Dir(ref), 0o755)
		if err == nil {
			err = durable.OS().WriteFile(ref, []byte(l.commit), 0o644)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", r, err)
		}
	}
	return dir, nil
}

// fetchAll fetches files, several at a time; the first error ends the others.
func (c *Client) fetchAll(ctx context.Context, r Ref, commit string, files []file) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	workers := c.Workers
	if workers == 0 {
		workers = 4
	}
	queue, tally := make(chan file), c.tally(files)
	var group sync.WaitGroup
	for range min(workers, len(files)) {
		group.Go(func() {
			for f := range queue {
				if ctx.Err() == nil {
					if err := c.fetch(ctx, r, commit, f, func(done int64) { tally.has(f, done) }); err != nil {
						cancel(err)
					}
				}
			}
		})
	}
	for _, f := range files {
		queue <- f
	}
	close(queue)
	group.Wait()
	return context.Cause(ctx)
}

// link puts a file's name into the snapshot, as a link to its bytes.
func (c *Client) link(dir string, f file) error {
	at := filepath.Join(dir, filepath.FromSlash(f.name))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	target := filepath.FromSlash(strings.Repeat("../", strings.Count(path.Clean(f.name), "/")) + "../../blobs/" + f.hash)
	if have, err := os.Readlink(at); err == nil && have == target {
		return nil
	}
	temp := at + incomplete
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, temp); err != nil {
		return err
	}
	return os.Rename(temp, at)
}

// offline finds a revision in the cache.
func (c *Client) offline(r Ref) (string, error) {
	commit := r.Revision
	if !commitPattern.MatchString(commit) {
		b, err := os.ReadFile(filepath.Join(c.repo(r), "refs", filepath.FromSlash(r.Revision)))
		if err != nil || !commitPattern.Match(b) {
			return "", fmt.Errorf("%s: %w (hint: fetch it once without HF_HUB_OFFLINE; the cache is %s)", r, ErrOffline, c.Cache)
		}
		commit = string(b)
	}
	dir := c.commitDir(r, commit)
	if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(r.Path))); err != nil {
		return "", fmt.Errorf("%s: %w: %w (the cache is %s)", r, ErrOffline, err, c.Cache)
	}
	return dir, nil
}

// folderOf is a repository's name in the cache.
func folderOf(r Ref) string { return string(r.Kind) + "--" + strings.ReplaceAll(r.Name, "/", "--") }

func (c *Client) repo(r Ref) string  { return filepath.Join(c.Cache, folderOf(r)) }
func (c *Client) blobs(r Ref) string { return filepath.Join(c.repo(r), "blobs") }
func (c *Client) commitDir(r Ref, commit string) string {
	return filepath.Join(c.repo(r), "snapshots", commit)
}
