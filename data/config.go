package data

import (
	"fmt"
	"strings"

	"stillhouse/data/tasks"
)

// LossOn says which tokens the loss counts.
type LossOn string

const (
	// All counts every token that has a token of its document before it.
	All LossOn = "all"
	// Completion leaves prompts out. A text has no prompt: all of it counts.
	// For mixtures with tasks this is the one to train from scratch with: the
	// pairs and numbers of a task's prompt are noise that nothing can predict.
	Completion LossOn = "completion"
)

// Split names what a batch is for; see [tasks.Split].
type Split = tasks.Split

const (
	Train      = tasks.Train
	Validation = tasks.Validation
	Test       = tasks.Test // tasks and prose only
)

// Config says what rows are made of. All fields but Packing, Seed, Validation and
// CacheBytes must be set.
type Config struct {
	Sources            []SourceConfig
	SequenceLen        int     // T
	Packing            bool    // false: one document a row, the rest padding
	LossOn             LossOn  // All or Completion
	Seed               uint64  // of training rows; held-out rows are the same for all seeds
	ValidationFraction float64 // of the documents of files; tasks and prose hold out a tenth
	CacheBytes         int64   // memory for documents read from files; 0: 256 MiB
}

// SourceConfig is one part of the mixture: either a built-in Source or a Path.
type SourceConfig struct {
	Source string         // "go", "prose", "task:NAME"; "" for a Path
	Path   string         // a file or folder; with Source "go", the folder to read as GOROOT
	Format string         // "text" or "jsonl"; "" means by the file's name
	Weight float64        // share of rows, and so of tokens where rows are full
	Params map[string]int // of a task
}

const defaultCacheBytes = 256 << 20

// name is how errors and previews call the source.
func (c SourceConfig) name() string {
	if c.Source != "" {
		return c.Source
	}
	return c.Path
}

func (c *Config) check() error {
	switch {
	case len(c.Sources) == 0:
		return fmt.Errorf("data: no source; hint: data.train needs at least one, such as {source: \"task:recall\"}")
	case c.SequenceLen < 2:
		return fmt.Errorf("data: sequence_len is %d; hint: it must be at least 2, and 256 is usual here", c.SequenceLen)
	case c.ValidationFraction < 0 || c.ValidationFraction >= 1:
		return fmt.Errorf("data: validation fraction is %g; hint: it must be at least 0 and below 1, such as 0.02", c.ValidationFraction)
	case c.LossOn == "assistant":
		return fmt.Errorf("data: loss_on is assistant, which needs conversations (format: messages), and those are not read; hint: use prompt and completion with loss_on: completion")
	case c.LossOn != All && c.LossOn != Completion:
		return fmt.Errorf("data: loss_on is %q; hint: it is all or completion", c.LossOn)
	}
	for i, s := range c.Sources {
		if s.Weight <= 0 {
			return fmt.Errorf("data: source %d (%s): weight is %g; hint: it must be above 0; leave the source out to drop it", i, s.name(), s.Weight)
		}
	}
	return nil
}

// open makes the source: the one place where a name becomes code.
func (c SourceConfig) open(cfg *Config, cache *cache) (source, error) {
	task, isTask := strings.CutPrefix(c.Source, "task:")
	if len(c.Params) > 0 && !isTask {
		return nil, fmt.Errorf("takes no parameters; hint: only tasks do")
	}
	if c.Source != "" && (c.Format != "" || c.Path != "" && c.Source != "go") {
		return nil, fmt.Errorf("has a source and a path or format; hint: give either source or path")
	}
	switch {
	case c.Source == "go":
		return openGo(c.Path, cfg, cache)
	case c.Source == "prose":
		return prose{}, nil
	case isTask:
		t, err := tasks.New(task, c.Params)
		if err != nil {
			return nil, err
		}
		return taskSource{t}, nil
	case c.Source != "":
		return nil, fmt.Errorf("no such source; hint: there are go, prose, task:NAME (NAME one of %s), or give a path", strings.Join(tasks.Names(), ", "))
	case c.Path == "":
		return nil, fmt.Errorf("neither source nor path; hint: {source: go}, {source: \"task:recall\"} or {path: FILE}")
	}
	return openPath(c.Path, c.Format, cfg, cache)
}
