package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
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
// returned as they are. note, if not nil, is told how it goes.
func fetched(ctx context.Context, source string, what func(*hub.Client, context.Context, hub.Ref) (string, error), note func(string)) (string, error) {
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
	c.Progress = notes(note)
	// A fetch can take hours and leaves nothing half done behind: it stops at once.
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	path, err := what(c, ctx, r)
	if errors.Is(err, context.Canceled) {
		return "", fmt.Errorf("%w: while fetching %s; what has arrived is kept", ErrInterrupted, source)
	}
	return path, err
}

// noteEvery is the time between two notes about a download.
const noteEvery = 10 * time.Second

// notes reports the progress of large files, now and then.
func notes(note func(string)) func(hub.Progress) {
	if note == nil {
		return nil
	}
	last := map[string]time.Time{}
	return func(p hub.Progress) {
		before, begun := last[p.File]
		switch {
		case p.Done >= p.Size:
			if begun {
				note(fmt.Sprintf("fetched %s, %.1f MB", p.File, float64(p.Size)/1e6))
			}
			return
		case !begun, time.Since(before) >= noteEvery:
			note(fmt.Sprintf("fetch %s: %.1f of %.1f MB", p.File, float64(p.Done)/1e6, float64(p.Size)/1e6))
		default:
			return
		}
		last[p.File] = time.Now()
	}
}

// fetchAll brings everything that a recipe names on a Hub to this machine before
// anything else is done.
func fetchAll(ctx context.Context, r *recipes.Recipe, note func(string)) error {
	if _, err := fetched(ctx, r.Teacher.Path, (*hub.Client).Model, note); err != nil {
		return fmt.Errorf("teacher: %w", err)
	}
	for _, s := range r.Data.Train {
		if _, err := fetched(ctx, s.Path, (*hub.Client).Data, note); err != nil {
			return fmt.Errorf("data: %w", err)
		}
	}
	return nil
}

// fetchedSources replaces the names of data sets on a Hub by where they lie.
func fetchedSources(c *data.Config) error {
	for i := range c.Sources {
		s := &c.Sources[i]
		path, err := fetched(context.Background(), s.Path, (*hub.Client).Data, nil)
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
	path, err := fetched(context.Background(), source, (*hub.Client).Config, nil)
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
