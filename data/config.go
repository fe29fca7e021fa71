package data

import (
	"fmt"
	"strings"

	"stillhouse/data/chat"
	"stillhouse/data/tasks"
)

// LossOn says which tokens the loss counts.
type LossOn string

const (
	// All counts every token that has a token of its document before it.
	All LossOn = "all"
	// Completion leaves prompts out, and of a conversation all but the last turn
	// of the assistant. A text has no prompt: all of it counts.
	// For mixtures with tasks this is the one to train from scratch with: the
	// pairs and numbers of a task's prompt are noise that nothing can predict.
	Completion LossOn = "completion"
	// Assistant is Completion with every turn of the assistant.
	Assistant LossOn = "assistant"
)

// OnError says what a row of a file does that cannot be read.
type OnError string

const (
	Fail OnError = "fail" // Open fails with the row's file and line
	Skip OnError = "skip" // the row is left out and counted; see SourceInfo.Bad
)

// Split names what a batch is for; see [tasks.Split].
type Split = tasks.Split

const (
	Train      = tasks.Train
	Validation = tasks.Validation
	Test       = tasks.Test // tasks and prose only
)

// Config says what rows are made of. Sources, SequenceLen and LossOn must be set.
type Config struct {
	Sources            []SourceConfig
	SequenceLen        int     // T
	Packing            bool    // false: one document a row, the rest padding
	LossOn             LossOn  // All, Completion or Assistant
	Seed               uint64  // of training rows; held-out rows are the same for all seeds
	ValidationFraction float64 // of the documents of files; tasks and prose hold out a tenth
	CacheBytes         int64   // memory for documents read from files; 0: 256 MiB
	OnError            OnError // "" is Fail

	// Template renders conversations; nil if the model has none.
	Template *chat.Template
	// Frame is the tokens around a document; nil for those of tokenizers trained
	// here (tokenizer.BOS, EOS and Pad).
	Frame *Frame
	// SpoolDir is where compressed files and Parquet are unpacked, once, under a
	// name made of their content; "" for a folder in the user's cache.
	SpoolDir string
}

// Frame is the tokens around a document; -1 for none.
type Frame struct {
	BOS, EOS, Pad int32
}

// SourceConfig is one part of the mixture: either a built-in Source or a Path.
type SourceConfig struct {
	Source string         // "go", "prose", "task:NAME"; "" for a Path
	Path   string         // a file or folder; with Source "go", the folder to read as GOROOT
	Format string         // what a record holds: FormatText, … ; "" means by the file's name and the records' keys
	Weight float64        // share of rows, and so of tokens where rows are full
	Params map[string]int // of a task
}

// What the records of a file hold. The file's name says how they are written:
// .jsonl or .parquet, and .zst after it if compressed.
const (
	FormatText       = "text"       // a file of text, or records with a text
	FormatCompletion = "completion" // records with a prompt and a completion
	FormatMessages   = "messages"   // records with messages
	FormatRecords    = "jsonl"      // records with any of them
)

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
	case c.LossOn != All && c.LossOn != Completion && c.LossOn != Assistant:
		return fmt.Errorf("data: loss_on is %q; hint: it is all, completion or assistant", c.LossOn)
	case c.OnError != "" && c.OnError != Fail && c.OnError != Skip:
		return fmt.Errorf("data: on_error is %q; hint: it is fail or skip", c.OnError)
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
