package tokenizer

// Reading a tokenizer.json. The file describes a pipeline: normalizer,
// pre-tokenizer, model, post-processor, decoder. Each part is either one that is
// known here or the reason of an error: a tokenizer that is nearly right trains
// a model that is quietly wrong.

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// ErrPipeline is wrapped by every error about a file that is sound but describes
// a tokenizer other than byte-level BPE with a known scanner.
var ErrPipeline = errors.New("tokenizer: pipeline not supported")

// file is the part of a tokenizer.json that decides anything. Truncation and
// padding are left out: rows are cut and filled by package data.
type file struct {
	AddedTokens   []addedToken `json:"added_tokens"`
	Normalizer    *stage       `json:"normalizer"`
	PreTokenizer  *stage       `json:"pre_tokenizer"`
	PostProcessor *stage       `json:"post_processor"`
	Decoder       *stage       `json:"decoder"`
	Model         model        `json:"model"`
}

type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Special    bool   `json:"special"`
}

// stage is any step of the pipeline; fields that a type lacks stay zero.
type stage struct {
	Type           string  `json:"type"`
	PreTokenizers  []stage `json:"pretokenizers"`
	Behavior       string  `json:"behavior"`
	Invert         bool    `json:"invert"`
	AddPrefixSpace bool    `json:"add_prefix_space"`
	UseRegex       *bool   `json:"use_regex"` // absent means true
	Pattern        struct {
		Regex string `json:"Regex"`
	} `json:"pattern"`
}

type model struct {
	Type         string           `json:"type"` // absent in old files
	Dropout      float64          `json:"dropout"`
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
	var s string
	if json.Unmarshal(b, &s) == nil {
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

// Parse reads the bytes of a tokenizer.json.
func Parse(b []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("not a tokenizer.json: %w", err)
	}
	t := &Tokenizer{}
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := t.chooseScanner(f.PreTokenizer); err != nil {
		return nil, err
	}
	if err := t.readVocabulary(&f); err != nil {
		return nil, err
	}
	if err := t.readMerges(f.Model.Merges); err != nil {
		return nil, err
	}
	t.finish()
	return t, nil
}

func refuse(part, what string) error {
	return fmt.Errorf("%w: %s %s; hint: only byte-level BPE (GPT-2's, or one trained by stillhouse) is read", ErrPipeline, part, what)
}

// check refuses every part, but the pre-tokenizer, that would change the tokens.
func (f *file) check() error {
	m := &f.Model
	switch {
	case m.Type != "" && m.Type != "BPE":
		return refuse("model", fmt.Sprintf("%q", m.Type))
	case f.Normalizer != nil:
		return refuse("normalizer", fmt.Sprintf("%q", f.Normalizer.Type))
	case f.PostProcessor != nil && f.PostProcessor.Type != "ByteLevel": // ByteLevel only moves offsets
		return refuse("post_processor", fmt.Sprintf("%q", f.PostProcessor.Type))
	case f.Decoder == nil || f.Decoder.Type != "ByteLevel":
		return refuse("decoder", "is not ByteLevel")
	case m.ByteFallback:
		return refuse("model", "uses byte_fallback")
	case m.IgnoreMerges:
		return refuse("model", "uses ignore_merges")
	case m.Dropout != 0:
		return refuse("model", "uses dropout")
	case m.Prefix != "" || m.Suffix != "":
		return refuse("model", "marks word parts (continuing_subword_prefix, end_of_word_suffix)")
	}
	for _, a := range f.AddedTokens {
		if a.SingleWord || a.LStrip || a.RStrip || !a.Special {
			return refuse("added token", fmt.Sprintf("%q is not a plain special token", a.Content))
		}
	}
	return nil
}

// chooseScanner is the one place where a pre-tokenizer becomes a scanner.
func (t *Tokenizer) chooseScanner(p *stage) error {
	if p == nil {
		return refuse("pre_tokenizer", "is missing")
	}
	steps := []stage{*p}
	if p.Type == "Sequence" {
		steps = p.PreTokenizers
	}
	var patterns []string
	for i, s := range steps {
		switch {
		case s.Type == "Split" && i < len(steps)-1:
			if s.Behavior != "Isolated" || s.Invert {
				return refuse("pre_tokenizer", fmt.Sprintf("Split with behavior %q", s.Behavior))
			}
			patterns = append(patterns, s.Pattern.Regex)
		case s.Type == "ByteLevel" && i == len(steps)-1:
			if s.AddPrefixSpace {
				return refuse("pre_tokenizer", "ByteLevel with add_prefix_space")
			}
			if s.UseRegex == nil || *s.UseRegex {
				patterns = append(patterns, PatternGPT2)
			}
		default:
			return refuse("pre_tokenizer", fmt.Sprintf("%q at place %d", s.Type, i))
		}
	}
	t.pattern = strings.Join(patterns, " then ")
	switch t.pattern {
	case Pattern:
		t.scan = scanDigits
	case PatternGPT2:
		t.scan = scanGPT2
	default:
		return refuse("pre_tokenizer", fmt.Sprintf("splits at %q", t.pattern))
	}
	return nil
}

// readVocabulary fills tokens, specials and byteID.
func (t *Tokenizer) readVocabulary(f *file) error {
	names := f.Model.Vocab
	size := len(names)
	for _, a := range f.AddedTokens {
		if id, ok := names[a.Content]; !ok {
			size++
		} else if id != a.ID {
			return fmt.Errorf("added token %q has id %d, but %d in the vocabulary", a.Content, a.ID, id)
		}
	}
	t.tokens = make([]string, size)
	seen := make([]bool, size)
	put := func(id int32, name, text string) error {
		if id < 0 || int(id) >= size {
			return fmt.Errorf("token %q has id %d in a vocabulary of %d: ids must have no gap", name, id, size)
		}
		if seen[id] {
			return fmt.Errorf("tokens %q and %q share id %d", t.tokens[id], name, id)
		}
		seen[id], t.tokens[id] = true, text
		return nil
	}
	added := map[string]bool{}
	for _, a := range f.AddedTokens {
		if a.Content == "" || added[a.Content] {
			return fmt.Errorf("added token %q is empty or listed twice", a.Content)
		}
		added[a.Content] = true
		if err := put(a.ID, a.Content, a.Content); err != nil {
			return err
		}
		t.specials = append(t.specials, special{a.Content, a.ID})
	}
	slices.SortFunc(t.specials, func(a, b special) int { return cmp.Compare(a.id, b.id) })
	for b := range t.byteID {
		t.byteID[b] = -1
	}
	for name, id := range names {
		if added[name] {
			continue
		}
		raw, ok := fromAlphabet(name)
		if !ok || raw == "" {
			return fmt.Errorf("token %q is not in the byte-level alphabet", name)
		}
		if err := put(id, name, raw); err != nil {
			return err
		}
		if len(raw) == 1 {
			t.byteID[raw[0]] = id
		}
	}
	for b, id := range t.byteID {
		if id < 0 {
			return fmt.Errorf("byte 0x%02x has no token, so not every text could be encoded", b)
		}
	}
	return nil
}

func (t *Tokenizer) readMerges(entries []mergeEntry) error {
	ids := make(map[string]int32, len(t.tokens))
	isSpecial := map[int32]bool{}
	for _, s := range t.specials {
		isSpecial[s.id] = true
	}
	for id, raw := range t.tokens {
		if !isSpecial[int32(id)] {
			ids[raw] = int32(id)
		}
	}
	t.merges = make(map[uint64]merge, len(entries))
	t.ranked = make([]pair, 0, len(entries))
	for rank, e := range entries {
		var known [3]bool
		var id [3]int32
		left, _ := fromAlphabet(e[0])
		right, _ := fromAlphabet(e[1])
		for i, raw := range [...]string{left, right, left + right} {
			id[i], known[i] = ids[raw]
			if !known[i] || left == "" || right == "" {
				return fmt.Errorf("merge %d (%q, %q): %q is not in the vocabulary", rank, e[0], e[1], toAlphabet(raw))
			}
		}
		p := pair{id[0], id[1]}
		if _, twice := t.merges[p.key()]; twice {
			return fmt.Errorf("merge %d (%q, %q) is listed twice", rank, e[0], e[1])
		}
		t.merges[p.key()] = merge{rank: int32(rank), id: id[2]}
		t.ranked = append(t.ranked, p)
	}
	return nil
}
