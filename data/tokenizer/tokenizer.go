package tokenizer

import (
	"hash/maphash"
	"strings"
	"sync"
)

// The special tokens of trained tokenizers, in the order of their ids from 0.
const (
	BOS = "<|bos|>" // before a document
	EOS = "<|eos|>" // after a document; generation stops here
	Pad = "<|pad|>" // fills a row; never a label
)

// unknown stands for an id outside the vocabulary: models may pad theirs.
const unknown = "\uFFFD"

// A Tokenizer encodes and decodes; [Train] or [Load] make it. It does not change
// after that, but for a cache that shows in no result: any number of goroutines
// may share one.
type Tokenizer struct {
	tokens   []string         // [V] the bytes of each token; a special token's name
	byteID   [256]int32       // the token of each single byte
	merges   map[uint64]merge // by pair.key
	ranked   []pair           // the merges in order of rank, as the file lists them
	specials []special        // in order of id
	isSpec   []bool           // [V]
	pattern  string           // what scan equals
	scan     scanner
	scratch  sync.Pool
	cache    *wordCache
}

type special struct {
	name string
	id   int32
}

// finish builds what follows from tokens, ranked and specials.
func (t *Tokenizer) finish() {
	t.isSpec = make([]bool, len(t.tokens))
	for _, s := range t.specials {
		t.isSpec[s.id] = true
	}
	t.scratch.New = func() any { return new(scratch) }
	t.cache = &wordCache{seed: maphash.MakeSeed()}
}

// Size returns V, the number of tokens, special ones included.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// Special returns the id of the special token name, such as [EOS]; ok is false
// if the vocabulary has none of that name.
func (t *Tokenizer) Special(name string) (id int32, ok bool) {
	for _, s := range t.specials {
		if s.name == name {
			return s.id, true
		}
	}
	return -1, false
}

// IsSpecial reports whether id is a special token.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.isSpec) && t.isSpec[id]
}

// Token returns the bytes that id stands for, which may be part of a rune; a
// special token gives its name, an id outside the vocabulary U+FFFD.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return unknown
	}
	return t.tokens[id]
}

// Encode returns the tokens of text. Names of special tokens in it are text.
func (t *Tokenizer) Encode(text string) []int32 {
	return t.EncodeAppend(make([]int32, 0, len(text)/2+1), text)
}

// EncodeAppend appends the tokens of text to dst.
func (t *Tokenizer) EncodeAppend(dst []int32, text string) []int32 {
	for text != "" {
		n := t.scan(text)
		dst = t.encodeWord(dst, text[:n])
		text = text[n:]
	}
	return dst
}

// EncodeAtMost appends the first limit tokens of text to dst and reads no
// further than they need: the cost of a window does not depend on what follows
// it. whole reports whether the text fitted.
func (t *Tokenizer) EncodeAtMost(dst []int32, text string, limit int) (_ []int32, whole bool) {
	end := len(dst) + limit
	for text != "" {
		if len(dst) >= end {
			return dst[:end], false
		}
		n := t.scan(text)
		dst = t.encodeWord(dst, text[:n])
		text = text[n:]
	}
	if len(dst) > end {
		return dst[:end], false
	}
	return dst, true
}

// EncodeSpecial is Encode for text whose special tokens are meant, such as a
// chat template's output: their names become their ids. Where two names match at
// one place the longer wins.
func (t *Tokenizer) EncodeSpecial(text string) []int32 {
	var dst []int32
	for {
		at, found := len(text), special{}
		for _, s := range t.specials {
			i := strings.Index(text, s.name)
			if i >= 0 && (i < at || i == at && len(s.name) > len(found.name)) {
				at, found = i, s
			}
		}
		dst = t.EncodeAppend(dst, text[:at])
		if found.name == "" {
			return dst
		}
		dst = append(dst, found.id)
		text = text[at+len(found.name):]
	}
}

// Decode returns the bytes that ids stand for, unchanged: it is the inverse of
// Encode and, special tokens being written by name, of EncodeSpecial.
func (t *Tokenizer) Decode(ids []int32) string {
	var w strings.Builder
	for _, id := range ids {
		w.WriteString(t.Token(id))
	}
	return w.String()
}
