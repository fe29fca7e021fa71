package tokenizer

import (
	"hash/maphash"
	"slices"
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
	source []byte // the file it was read from; nil if trained

	// The pipeline, in the order in which text passes.
	added     []addedToken // in order of id
	raw       *matcher     // finds added tokens in the text; nil: none
	norm      normalizer   // nil: the text stays as it is
	normed    *matcher     // finds added tokens in normalized text; nil: none
	stages    []stage      // pre-tokenizers
	before    []int32      // what the post-processor puts before a text
	after     []int32      // and after it
	byteLevel bool         // symbols are bytes, not runes

	// The model.
	ranked   []pair  // the merges in order of rank, as the file lists them
	merged   []int32 // what each becomes
	pairs    pairTable
	byteID   [256]int32       // byte level: the token of each single byte, or none
	allBytes bool             // byteID has no none
	asciiID  [128]int32       // rune level: the token of each rune, or none
	runeID   map[rune]int32   // the same above ASCII
	whole    map[string]int32 // ignore_merges: pre-tokens that are tokens which merging does not give
	seams    *seams           // nil: words are not cut before merging
	// fallbackID is byte_fallback: the tokens <0x00> to <0xFF>, or none.
	fallbackID [256]int32
	unk        int32 // or none
	fuseUnk    bool

	// Decoding.
	tokens []string // [V] the bytes of each token; a special token's name
	isSpec []bool   // [V]
	ends   ends

	scratch sync.Pool
	cache   *wordCache
}

// finish builds what follows from the rest.
func (t *Tokenizer) finish() {
	slices.SortFunc(t.added, func(a, b addedToken) int { return int(a.ID) - int(b.ID) })
	t.isSpec = make([]bool, len(t.tokens))
	for _, a := range t.added {
		t.isSpec[a.ID] = a.Special
	}
	t.raw = newMatcher(t.added, false, nil)
	t.normed = newMatcher(t.added, true, t.normalize)
	t.pairs = newPairTable(t.ranked)
	t.allBytes = !slices.Contains(t.byteID[:], none)
	t.forgetWhole()
	t.scratch.New = func() any { return new(scratch) }
	t.cache = &wordCache{seed: maphash.MakeSeed()}
}

// Size returns V, the number of ids, special tokens and gaps included.
func (t *Tokenizer) Size() int { return len(t.tokens) }

// Special returns the id of the special token name, such as [EOS]; ok is false
// if the vocabulary has none of that name.
func (t *Tokenizer) Special(name string) (id int32, ok bool) {
	for _, a := range t.added {
		if a.Special && a.Content == name {
			return a.ID, true
		}
	}
	return -1, false
}

// IsSpecial reports whether id is a special token.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return id >= 0 && int(id) < len(t.isSpec) && t.isSpec[id]
}

// Encode returns the tokens of text and nothing besides. Names of special tokens
// in it are text; added tokens that are not special are found.
func (t *Tokenizer) Encode(text string) []int32 {
	return t.EncodeAppend(make([]int32, 0, len(text)/2+1), text)
}

// EncodeAppend appends the tokens of text to dst.
func (t *Tokenizer) EncodeAppend(dst []int32, text string) []int32 {
	return t.encode(dst, text, false, -1)
}

// EncodeAtMost appends the first limit tokens of text to dst and cuts no further
// into words than they need: the cost of a window does not depend on what
// follows it, unless the file has a normalizer or a pattern without a scanner,
// which read the whole text. whole reports whether the text fitted.
func (t *Tokenizer) EncodeAtMost(dst []int32, text string, limit int) (_ []int32, whole bool) {
	end := len(dst) + limit
	dst = t.encode(dst, text, false, end)
	if len(dst) > end {
		return dst[:end], false
	}
	return dst, true
}

// EncodeSpecial is Encode for text whose special tokens are meant, such as a
// chat template's output: their names become their ids. Where two names match at
// one place the longer wins.
func (t *Tokenizer) EncodeSpecial(text string) []int32 {
	return t.encode(nil, text, true, -1)
}

// EncodeDocument is EncodeSpecial with the tokens around it that the file's
// post-processor asks for, such as Llama's <s> before a text. It is what other
// tools give by default.
func (t *Tokenizer) EncodeDocument(text string) []int32 {
	dst := t.encode(slices.Clone(t.before), text, true, -1)
	return append(dst, t.after...)
}

// encode appends the tokens of text, and stops after the word with which dst
// grows beyond end; an end below 0 is none.
func (t *Tokenizer) encode(dst []int32, text string, special bool, end int) []int32 {
	s := t.scratch.Get().(*scratch)
	defer t.scratch.Put(s)
	word := func(w string) bool {
		dst = t.encodeWord(dst, s, w)
		return end < 0 || len(dst) <= end
	}
	added := func(a *addedToken) bool {
		dst = append(dst, a.ID)
		return end < 0 || len(dst) <= end
	}
	t.raw.split(text, special, func(piece string, at int, a *addedToken) bool {
		if a != nil {
			return added(a)
		}
		first := at == 0
		return t.normed.split(t.normalize(piece), special, func(piece string, at int, a *addedToken) bool {
			if a != nil {
				return added(a)
			}
			return t.words(t.stages, piece, first && at == 0, word)
		})
	})
	return dst
}
