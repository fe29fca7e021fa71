package tokenizer

// Reading a tokenizer.json. The file describes a pipeline: normalizer,
// pre-tokenizer, model, post-processor, decoder. Each part is either one that is
// known here or the reason of an error: a tokenizer that is nearly right trains
// a model that is quietly wrong.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
)

// ErrPipeline is wrapped by every error about a file that is sound but describes
// a tokenizer with a part that is not known here.
var ErrPipeline = errors.New("tokenizer: pipeline not supported")

// file is the part of a tokenizer.json that decides anything. Truncation and
// padding are left out: rows are cut and filled by package data.
type file struct {
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    *part        `json:"normalizer"`
	PreTokenizer  *part        `json:"pre_tokenizer"`
	PostProcessor *part        `json:"post_processor"`
	Decoder       *part        `json:"decoder"`
	Model         model        `json:"model"`
}

// part is any step of the pipeline; fields that a type lacks stay zero.
type part struct {
	Type          string `json:"type"`
	Normalizers   []part `json:"normalizers"`
	PreTokenizers []part `json:"pretokenizers"`
	Processors    []part `json:"processors"`
	Decoders      []part `json:"decoders"`

	Pattern struct {
		String *string `json:"String"`
		Regex  *string `json:"Regex"`
	} `json:"pattern"`
	Content string `json:"content"`

	// Normalizers.
	Prepend    string `json:"prepend"`
	StripLeft  bool   `json:"strip_left"`
	StripRight bool   `json:"strip_right"`

	// Pre-tokenizers.
	Behavior         behavior `json:"behavior"`
	Invert           bool     `json:"invert"`
	AddPrefixSpace   *bool    `json:"add_prefix_space"`
	UseRegex         *bool    `json:"use_regex"` // absent means true
	IndividualDigits bool     `json:"individual_digits"`
	Replacement      string   `json:"replacement"`
	PrependScheme    string   `json:"prepend_scheme"` // absent means always
	Split            *bool    `json:"split"`          // absent means true

	// Decoders.
	Start int `json:"start"`
	Stop  int `json:"stop"`

	// Post-processors.
	Single        []templateItem `json:"single"`
	SpecialTokens map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
}

// templateItem is a special token or the place of the text.
type templateItem struct {
	SpecialToken *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
}

type model struct {
	Type         string           `json:"type"` // absent in old files
	Dropout      float64          `json:"dropout"`
	Unk          *string          `json:"unk_token"`
	FuseUnk      bool             `json:"fuse_unk"`
	Prefix       string           `json:"continuing_subword_prefix"`
	Suffix       string           `json:"end_of_word_suffix"`
	ByteFallback bool             `json:"byte_fallback"`
	IgnoreMerges bool             `json:"ignore_merges"`
	Vocab        map[string]int32 `json:"vocab"`
	Merges       []mergeEntry     `json:"merges"`
}

// mergeEntry is ["a","b"] or, in older files, "a b".
type mergeEntry [2]string

func (m *mergeEntry) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		left, right, ok := strings.Cut(s, " ")
		if !ok || strings.Contains(right, " ") {
			return fmt.Errorf("merge %q is not two tokens", s)
		}
		*m = mergeEntry{left, right}
		return nil
	}
	var two []string
	if err := json.Unmarshal(b, &two); err != nil || len(two) != 2 {
		return fmt.Errorf("merge %s is not two tokens", b)
	}
	*m = mergeEntry{two[0], two[1]}
	return nil
}

// Load reads a tokenizer.json.
func Load(path string) (*Tokenizer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %w", err)
	}
	t, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("load tokenizer: %s: %w", path, err)
	}
	return t, nil
}

// Parse reads the bytes of a tokenizer.json, which it does not keep.
func Parse(b []byte) (*Tokenizer, error) {
	f, err := parseFile(b)
	if err != nil {
		return nil, err
	}
	t := &Tokenizer{source: bytes.Clone(b), added: f.AddedTokens}
	if err := f.Model.check(); err != nil {
		return nil, err
	}
	if err := t.readPipeline(f); err != nil {
		return nil, err
	}
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	if err := t.readSymbols(&f.Model); err != nil {
		return nil, err
	}
	if err := t.readMerges(&f.Model); err != nil {
		return nil, err
	}
	if err := t.readDecoder(f, names); err != nil {
		return nil, err
	}
	if err := t.readTemplate(f.PostProcessor); err != nil {
		return nil, err
	}
	t.cutAtMarks(&f.Model)
	t.finish()
	t.seams = t.readSeams(&f.Model)
	return t, nil
}

func parseFile(b []byte) (*file, error) {
	f := new(file)
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("not a tokenizer.json: %w", err)
	}
	return f, nil
}

// normalizers returns the steps of the normalizer, in order.
func (f *file) normalizers() []*part {
	return flat(f.Normalizer, func(p *part) []part { return p.Normalizers })
}

// preTokenizers returns the steps of the pre-tokenizer, in order.
func (f *file) preTokenizers() []*part {
	return flat(f.PreTokenizer, func(p *part) []part { return p.PreTokenizers })
}

func refuse(where, what string) error {
	return fmt.Errorf("%w: %s %s; hint: BPE as GPT-2, Llama, Mistral or Qwen use it is read; save the model with such a tokenizer, or train one",
		ErrPipeline, where, what)
}

func (m *model) check() error {
	switch {
	case m.Type != "" && m.Type != "BPE":
		return refuse("model", fmt.Sprintf("%q", m.Type))
	case m.Dropout != 0:
		return refuse("model", "uses dropout")
	case m.Prefix != "" || m.Suffix != "":
		return refuse("model", "marks word parts (continuing_subword_prefix, end_of_word_suffix)")
	}
	return nil
}
