package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"

	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/hub"
	"stillhouse/data"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// fetched returns where on this machine a model, its description or a data set
// lies, after it was fetched if source names one on a Hub; other sources are
// returned as they are. show is told how it goes.
func fetched(ctx context.Context, source string, what func(*hub.Client, context.Context, hub.Ref) (string, error), show Progress) (string, error) {
	if !strings.HasPrefix(source, hub.Prefix) {
		return source, nil
	}
	r, err := hub.ParseRef(source)
	if err != nil {
		return "", err
	}
	c, err := hub.FromEnv(os.Getenv)
	if err != nil {
		return "", err
	}
	d := &download{show: show, source: source}
	c.Progress = d.progress
	// A fetch can take hours and leaves nothing half done behind: it stops at once.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	path, err := what(c, ctx, r)
	d.end(err == nil)
	if errors.Is(err, context.Canceled) {
		return "", fmt.Errorf("%w: while fetching %s; what has arrived is kept", ErrInterrupted, source)
	}
	return path, err
}

// Fetch brings a model that source names on a Hub to this machine and returns its
// folder; other sources are returned as they are.
func Fetch(ctx context.Context, source string, show Progress) (string, error) {
	return fetched(ctx, source, (*hub.Client).Model, show)
}

// cached returns where in the Hub's cache the description of a model lies; "" for
// one that is not there. Other sources are returned as they are.
func cached(source string) string {
	if !strings.HasPrefix(source, hub.Prefix) {
		return source
	}
	r, err := hub.ParseRef(source)
	if err != nil {
		return ""
	}
	c, err := hub.FromEnv(os.Getenv)
	if err != nil {
		return ""
	}
	c.Offline = true
	dir, err := c.Config(context.Background(), r)
	if err != nil {
		return ""
	}
	return dir
}

// download shows a fetch as a piece of work in megabytes, from the first byte that
// is not in the cache.
type download struct {
	show   Progress
	source string
	began  time.Time // zero: nothing had to be fetched yet
	first  int64     // bytes that were there
	sum    int64
}

const megabyte = 1_000_000

func (d *download) progress(p hub.Progress) {
	if p.Done == p.Size && d.began.IsZero() { // it may have been in the cache
		d.sum = p.Sum
		return
	}
	if d.began.IsZero() {
		d.began, d.first = time.Now(), p.Sum
		d.show.Begin("fetch "+d.source+", MB", int((p.Total+megabyte-1)/megabyte))
		d.show.Advance(int(p.Sum/megabyte), "")
	}
	d.sum = p.Sum
	speed := float64(p.Sum-d.first) / megabyte / max(time.Since(d.began).Seconds(), 1e-3)
	done := int(p.Sum / megabyte)
	if p.Sum == p.Total {
		done = int((p.Total + megabyte - 1) / megabyte)
	}
	d.show.Advance(done, fmt.Sprintf("%s · %.1f MB/s", path.Base(p.File), speed))
}

// end closes the piece of work; whole says that everything has arrived.
func (d *download) end(whole bool) {
	if d.began.IsZero() {
		return
	}
	d.show.End()
	if whole {
		d.show.Note(fmt.Sprintf("fetched %s, %s in %s", d.source, HumanBytes(d.sum-d.first), time.Since(d.began).Round(100*time.Millisecond)))
	}
}

// fetchAll brings everything that a recipe names on a Hub to this machine before
// anything else is done.
func fetchAll(ctx context.Context, r *recipes.Recipe, show Progress) error {
	if _, err := fetched(ctx, r.Teacher.Path, (*hub.Client).Model, show); err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	for _, s := range r.Data.Train {
		if _, err := fetched(ctx, s.Path, (*hub.Client).Data, show); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	return nil
}

// fetchedSources replaces the names of data sets on a Hub by where they lie.
func fetchedSources(c *data.Config) error {
	for i := range c.Sources {
		s := &c.Sources[i]
		path, err := fetched(context.Background(), s.Path, (*hub.Client).Data, Quiet{})
		if err != nil {
			return fmt.Errorf("data: %w", err)
		}
		s.Path = path
	}
	return nil
}

// describedConfig reads a model's sizes off its config.json alone, for folders
// without weights and models on a Hub that are not fetched for it.
func describedConfig(source string) (c layers.Config, err error) {
	path, err := fetched(context.Background(), source, (*hub.Client).Config, Quiet{})
	if err != nil {
		return c, err
	}
	dir, err := modelFiles(path)
	if err != nil {
		return c, err
	}
	b, err := fs.ReadFile(dir, hf.ConfigFile)
	if err != nil {
		return c, fmt.Errorf("%s: %w", source, err)
	}
	h, err := hf.ParseConfig(b)
	if err == nil {
		c, _, err = configOf(h)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %s: %w", source, hf.ConfigFile, err)
	}
	return c, nil
}
