package tokenizer

// A model folder as other tools write it holds, beside tokenizer.json, what the
// special tokens are for: which begins a text, which ends it, and how a
// conversation is written down.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
)

// The files of a model folder that [LoadFolder] reads.
const (
	File             = "tokenizer.json"
	ConfigFile       = "tokenizer_config.json"
	ChatTemplateFile = "chat_template.jinja"
)

// Folder is what a model folder says of its tokenizer. An id is -1 where the
// folder names no such token.
type Folder struct {
	Tokenizer          *Tokenizer
	BOS, EOS, Pad, Unk int32
	AddBOS, AddEOS     bool   // add_bos_token, add_eos_token; false if not said
	ChatTemplate       string // Jinja, not rendered here; empty if there is none
	MaxLength          int    // model_max_length in tokens; 0 if none or unbounded
}

// config is the part of a tokenizer_config.json that is read.
type config struct {
	BOS          tokenName       `json:"bos_token"`
	EOS          tokenName       `json:"eos_token"`
	Pad          tokenName       `json:"pad_token"`
	Unk          tokenName       `json:"unk_token"`
	AddBOS       bool            `json:"add_bos_token"`
	AddEOS       bool            `json:"add_eos_token"`
	ChatTemplate json.RawMessage `json:"chat_template"`
	MaxLength    float64         `json:"model_max_length"` // up to 1e30
}

// tokenName is "<s>" or {"content": "<s>", ...} or null.
type tokenName string

func (n *tokenName) UnmarshalJSON(b []byte) error {
	var object struct {
		Content string `json:"content"`
	}
	if json.Unmarshal(b, &object) == nil {
		*n = tokenName(object.Content)
		return nil
	}
	return json.Unmarshal(b, (*string)(n))
}

// LoadFolder reads tokenizer.json and, where they are there,
// tokenizer_config.json and chat_template.jinja, which goes before the template
// in the configuration.
func LoadFolder(dir fs.FS) (*Folder, error) {
	b, err := fs.ReadFile(dir, File)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w; hint: a folder with only tokenizer.model or vocab.json has to be saved anew with a fast tokenizer", err)
	}
	f := &Folder{BOS: -1, EOS: -1, Pad: -1, Unk: -1}
	if f.Tokenizer, err = Parse(b); err != nil {
		return nil, fmt.Errorf("load tokenizer: %s: %w", File, err)
	}
	var c config
	b, err = fs.ReadFile(dir, ConfigFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("load tokenizer: %w", err)
	default:
		if err := json.Unmarshal(b, &c); err != nil {
			return nil, fmt.Errorf("load tokenizer: %s: %w", ConfigFile, err)
		}
	}
	for _, s := range []struct {
		key  string
		name tokenName
		id   *int32
	}{{"bos_token", c.BOS, &f.BOS}, {"eos_token", c.EOS, &f.EOS}, {"pad_token", c.Pad, &f.Pad}, {"unk_token", c.Unk, &f.Unk}} {
		if s.name == "" {
			continue
		}
		id, ok := f.Tokenizer.find(string(s.name))
		if !ok {
			return nil, fmt.Errorf("load tokenizer: %s: %s is %q, which %s lacks; hint: both files must come from the same model", ConfigFile, s.key, s.name, File)
		}
		*s.id = id
	}
	f.AddBOS, f.AddEOS = c.AddBOS, c.AddEOS
	if c.MaxLength > 0 && c.MaxLength < 1<<53 { // 1e30 stands for no limit
		f.MaxLength = int(c.MaxLength)
	}
	if f.ChatTemplate, err = chatTemplate(c.ChatTemplate); err != nil {
		return nil, fmt.Errorf("load tokenizer: %s: %w", ConfigFile, err)
	}
	b, err = fs.ReadFile(dir, ChatTemplateFile)
	if err == nil {
		f.ChatTemplate = string(b)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	return f, nil
}

// chatTemplate reads a string, or the one named default of a list.
func chatTemplate(b json.RawMessage) (string, error) {
	var text *string
	if b == nil || json.Unmarshal(b, &text) == nil {
		if text == nil {
			return "", nil
		}
		return *text, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(b, &list); err != nil {
		return "", fmt.Errorf("chat_template is neither a text nor a list of named ones: %w", err)
	}
	for _, t := range list {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", nil
}

// find returns the id of an added token, or of a token that Decode writes so.
func (t *Tokenizer) find(name string) (int32, bool) {
	for _, a := range t.added {
		if a.Content == name {
			return a.ID, true
		}
	}
	for id, text := range t.tokens {
		if text == name {
			return int32(id), true
		}
	}
	return -1, false
}
