package data

// JSON lines: one document a line, {"text": …} or {"prompt": …, "completion": …}.
// Other keys are left alone.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"stillhouse/data/tasks"
)

type record struct {
	Text       *string         `json:"text"`
	Prompt     *string         `json:"prompt"`
	Completion *string         `json:"completion"`
	Messages   json.RawMessage `json:"messages"`
}

// openJSONL reads the file once, checks every line and keeps only where each is.
func openJSONL(path string, cfg *Config, cache *cache) (source, error) {
	c := newCorpus(path, filepath.Dir(path), cfg, cache)
	c.files, c.decode = []string{filepath.Base(path)}, decodeRecord
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []keyed
	r := bufio.NewReaderSize(f, 1<<16)
	e := entry{line: 1}
	for ; ; e.line++ {
		raw, err := r.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if len(bytes.TrimSpace(raw)) > 0 {
			doc, err := decodeRecord(raw)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", e.line, err)
			}
			// By content, not by place: a line that is there twice cannot be in
			// both splits.
			all = append(all, keyed{c.add(e, raw, doc), contentHash(doc)})
		}
		e.offset += int64(len(raw))
		if err != nil {
			break
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no lines in it")
	}
	c.divide(all, cfg.ValidationFraction)
	return c, nil
}

func contentHash(d Document) uint64 {
	texts := make([]string, len(d.Parts))
	for i, p := range d.Parts {
		texts[i] = p.Text
	}
	return tasks.Hash(texts...)
}

func decodeRecord(raw []byte) (Document, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return Document{}, fmt.Errorf("not a JSON object on one line: %w", err)
	}
	const hint = `hint: a line is {"text": "…"} or {"prompt": "…", "completion": "…"}`
	switch {
	case r.Text != nil && r.Prompt == nil && r.Completion == nil:
		if *r.Text == "" {
			return Document{}, fmt.Errorf("text is empty; %s", hint)
		}
		return textDocument(*r.Text), nil
	case r.Text == nil && r.Prompt != nil && r.Completion != nil:
		if *r.Completion == "" {
			return Document{}, fmt.Errorf("completion is empty; %s", hint)
		}
		parts := []tasks.Part{{Text: *r.Prompt}, {Text: *r.Completion, Counted: true}}
		return Document{Parts: parts, Head: true, Whole: true}, nil
	case r.Text != nil:
		return Document{}, fmt.Errorf("text beside prompt or completion; %s", hint)
	case r.Prompt != nil || r.Completion != nil:
		return Document{}, fmt.Errorf("prompt and completion go together; %s", hint)
	case r.Messages != nil:
		return Document{}, fmt.Errorf("messages are not read; %s", hint)
	}
	return Document{}, fmt.Errorf("neither text nor prompt and completion; %s", hint)
}
