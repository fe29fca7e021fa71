package data

// Records: one document a line, {"text": …}, {"prompt": …, "completion": …} or
// {"messages": [{"role": …, "content": …}, …]}. Other keys are left alone.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"stillhouse/data/chat"
	"stillhouse/data/tasks"
)

// longestRecord in bytes: a line beyond it is not a record but a damaged file,
// and is not held in memory to find out.
const longestRecord = 64 << 20

// readRecords reads every file once, checks every record and keeps only where
// each is.
func (c *corpus) readRecords(format string, cfg *Config) error {
	if err := c.unpack(cfg); err != nil {
		return err
	}
	decode := recordDecoder{format: format, lossOn: cfg.LossOn, template: cfg.Template}
	c.decode = decode.record
	var all []entry
	var hashes []uint64
	for i, name := range c.files {
		err := c.eachLine(int32(i), func(e entry, raw []byte) error {
			doc, err := decode.record(raw)
			if raw == nil {
				err = fmt.Errorf("longer than %d MiB", longestRecord>>20)
			}
			if err == nil {
				// By content, not by place: a record that is there twice cannot be
				// in both splits.
				all, hashes = append(all, c.add(e, raw, doc)), append(hashes, contentHash(doc))
				return nil
			}
			at := fmt.Sprintf("line %d", e.line)
			if kind, _ := kindOf(name); kind == parquetFile {
				at = fmt.Sprintf("row %d", e.line)
			}
			if len(c.files) > 1 {
				at = name + ": " + at
			}
			if cfg.OnError != Skip {
				return fmt.Errorf("%s: %w", at, err)
			}
			if c.bad++; c.bad == 1 {
				c.badAt = fmt.Sprintf("%s: %v", at, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	switch {
	case len(all) == 0 && c.bad > 0:
		return fmt.Errorf("none of its %d records can be read, the first because: %s", c.bad, c.badAt)
	case len(all) == 0:
		return fmt.Errorf("no lines in it")
	}
	c.divide(all, hashes, cfg.ValidationFraction)
	return nil
}

// eachLine gives every line of a file that is not blank, with its place; nil
// stands for one that is too long.
func (c *corpus) eachLine(file int32, yield func(e entry, raw []byte) error) error {
	f, err := os.Open(c.path(file))
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<16)
	var line []byte
	for e := (entry{file: file, line: 1}); ; e.line++ {
		line = line[:0]
		length := int64(0)
		for {
			part, err := r.ReadSlice('\n')
			length += int64(len(part))
			if length <= longestRecord {
				line = append(line, part...)
			}
			if err == nil {
				break
			}
			if errors.Is(err, io.EOF) {
				if length == 0 {
					return nil
				}
				break
			}
			if !errors.Is(err, bufio.ErrBufferFull) {
				return err
			}
		}
		raw := line
		if length > longestRecord {
			raw = nil
		}
		if raw == nil || len(bytes.TrimSpace(raw)) > 0 {
			if err := yield(e, raw); err != nil {
				return err
			}
		}
		e.offset += length
	}
}

func contentHash(d Document) uint64 {
	texts := make([]string, len(d.Parts))
	for i, p := range d.Parts {
		texts[i] = p.Text
	}
	return tasks.Hash(texts...)
}

// recordDecoder turns the bytes of a record into a document.
type recordDecoder struct {
	format   string
	lossOn   LossOn
	template *chat.Template
}

type record struct {
	Text       *string         `json:"text"`
	Prompt     *string         `json:"prompt"`
	Completion *string         `json:"completion"`
	Messages   json.RawMessage `json:"messages"`
}

const (
	recordHint   = `hint: a line is {"text": "…"}, {"prompt": "…", "completion": "…"} or {"messages": [{"role": "user", "content": "…"}, …]}`
	templateHint = `hint: the teacher's folder has none in chat_template.jinja or tokenizer_config.json; take a model made for conversations, or put one there`
)

func (d recordDecoder) record(raw []byte) (Document, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return Document{}, fmt.Errorf("not a JSON object on one line: %w", err)
	}
	if string(r.Messages) == "null" {
		r.Messages = nil
	}
	switch {
	case d.format == FormatMessages && r.Messages == nil:
		return Document{}, fmt.Errorf("no messages; %s", recordHint)
	case d.format == FormatCompletion && (r.Prompt == nil || r.Completion == nil):
		return Document{}, fmt.Errorf("no prompt with a completion; %s", recordHint)
	case d.format == FormatText && r.Text == nil && r.Prompt == nil && r.Completion == nil && r.Messages == nil:
		return Document{}, fmt.Errorf("no text; %s", recordHint)
	case d.format == FormatMessages:
		return d.conversation(r.Messages)
	case d.format == FormatCompletion:
		r.Text = nil // a column beside the two, not another form
	}
	switch {
	case r.Messages != nil && (r.Text != nil || r.Prompt != nil || r.Completion != nil):
		return Document{}, fmt.Errorf("messages beside text, prompt or completion; hint: say which with format: messages or completion")
	case r.Messages != nil:
		return d.conversation(r.Messages)
	case r.Text != nil && r.Prompt == nil && r.Completion == nil:
		if *r.Text == "" {
			return Document{}, fmt.Errorf("text is empty; %s", recordHint)
		}
		return textDocument(*r.Text), nil
	case r.Text == nil && r.Prompt != nil && r.Completion != nil:
		if *r.Completion == "" {
			return Document{}, fmt.Errorf("completion is empty; %s", recordHint)
		}
		parts := []tasks.Part{{Text: *r.Prompt}, {Text: *r.Completion, Counted: true}}
		return Document{Parts: parts, Head: true, Whole: true}, nil
	case r.Text != nil:
		return Document{}, fmt.Errorf("text beside prompt or completion; %s", recordHint)
	case r.Prompt != nil || r.Completion != nil:
		return Document{}, fmt.Errorf("prompt and completion go together; %s", recordHint)
	}
	return Document{}, fmt.Errorf("neither text nor prompt and completion nor messages; %s", recordHint)
}

// conversation renders messages; what the assistant says counts.
func (d recordDecoder) conversation(raw []byte) (Document, error) {
	if d.template == nil {
		return Document{}, fmt.Errorf("messages, and no chat template to write them with; %s", templateHint)
	}
	messages, err := chat.ReadMessages(raw)
	if err != nil {
		return Document{}, err
	}
	doc := Document{Whole: true, Turns: true}
	if d.lossOn == All {
		text, err := d.template.Render(messages, false)
		if err != nil {
			return Document{}, err
		}
		doc.Parts = []tasks.Part{{Text: text, Counted: true}}
		return doc, nil
	}
	segments, err := d.template.Segments(messages, d.lossOn == Completion)
	if err != nil {
		return Document{}, err
	}
	for _, s := range segments {
		doc.Parts = append(doc.Parts, tasks.Part{Text: s.Text, Counted: s.Assistant})
	}
	return doc, nil
}
