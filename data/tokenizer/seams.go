package tokenizer

// Where a pre-token can be cut before merging. A merge makes a token that spans
// the place between two neighbours; so where no token holds two runes side by
// side, no merge joins them, and what is on the left and on the right merges as
// if alone. Chinese or Japanese clauses, which have no spaces, fall into words
// this way: short ones that come back, and are remembered.

import (
	"maps"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// For the same reason a rune may begin as one symbol, not as its bytes, where no
// token reaches from a neighbour into a part of it: what merges with neighbours is
// then all of it or nothing.

// seams knows which neighbours a token may hold, one of them not ASCII. It may
// take a seam for none, never the other way: the runes are hashed, and parts of
// runes, which tokens at the byte level may begin and end with, are known by one
// byte only.
type seams struct {
	pairs []uint64 // bits, by hash of two runes
	shift uint8
	parts [256][4]uint64 // bits, by the last byte of the one rune and the first of the other
	// runes is, at the byte level, the token that a rune's bytes merge to, or none.
	runes []int32 // up to U+FFFF
}

// readSeams returns nil where cutting would change more than what merges: where
// symbols may be dropped or fused, or are bytes in disguise.
func (t *Tokenizer) readSeams(m *model) *seams {
	if t.byteLevel && !t.allBytes || !t.byteLevel && slices.Contains(t.fallbackID[:], none) {
		return nil
	}
	texts := slices.Collect(maps.Keys(t.whole)) // in any order: they set bits
	for _, e := range m.Merges {
		text := e[0] + e[1]
		if t.byteLevel {
			raw, ok := fromAlphabet(text)
			if !ok {
				return nil
			}
			text = raw
		} else if isByteToken(e[0]) || isByteToken(e[1]) {
			return nil
		}
		texts = append(texts, text)
	}
	return t.newSeams(texts)
}

// newSeams reads, as text, all tokens that merges make or ignore_merges finds.
func (t *Tokenizer) newSeams(texts []string) *seams {
	count := 0 // of pairs that are kept, about
	for _, text := range texts {
		for _, r := range text {
			if r >= utf8.RuneSelf {
				count++
			}
		}
	}
	width := max(10, bits.Len(uint(8*count)))
	c := &seams{pairs: make([]uint64, 1<<(width-6)), shift: uint8(64 - width)}
	for _, text := range texts {
		c.join(text)
	}
	if t.byteLevel {
		t.mergeRunes(c, texts)
	}
	return c
}

// mergeRunes fills runes.
func (t *Tokenizer) mergeRunes(c *seams, texts []string) {
	c.runes = slices.Repeat([]int32{none}, 1<<16)
	s := new(scratch)
	for _, text := range texts {
		r, n := utf8.DecodeRuneInString(text)
		if n != len(text) || n == 1 || int(r) >= len(c.runes) {
			continue
		}
		if ids := t.mergeSymbols(nil, t.symbols(s, text)); len(ids) == 1 {
			c.runes[r] = ids[0]
		}
	}
}

func (c *seams) slot(left, right rune) (word, bit uint64) {
	h := (uint64(left)<<32 | uint64(right)) * 0x9E3779B97F4A7C15 >> c.shift
	return h >> 6, h & 63
}

// join notes the neighbours in a token.
func (c *seams) join(text string) {
	for i := 1; i < len(text); i++ {
		if !utf8.RuneStart(text[i]) || text[i-1] < utf8.RuneSelf && text[i] < utf8.RuneSelf {
			continue
		}
		left, n := utf8.DecodeLastRuneInString(text[:i])
		right, m := utf8.DecodeRuneInString(text[i:])
		if broken(left, n) || broken(right, m) {
			c.parts[text[i-1]][text[i]>>6] |= 1 << (text[i] & 63)
		} else {
			word, bit := c.slot(left, right)
			c.pairs[word] |= 1 << bit
		}
	}
}

// partly reports whether a token may hold only a part of the rune that ends in
// left or of the one that begins with right.
func (c *seams) partly(left, right byte) bool { return c.parts[left][right>>6]>>(right&63)&1 != 0 }

// rune returns the token of the rune at word[i:] and its width, or none where the
// rune has to begin as its bytes.
func (c *seams) rune(word string, i int) (id int32, n int) {
	r, n := utf8.DecodeRuneInString(word[i:])
	if broken(r, n) || int(r) >= len(c.runes) {
		return none, n
	}
	if i > 0 && c.partly(word[i-1], word[i]) {
		return none, n
	}
	if end := i + n; end < len(word) && (!utf8.RuneStart(word[end]) || c.partly(word[end-1], word[end])) {
		return none, n
	}
	return c.runes[r], n
}

// broken reports whether package utf8 decoded a byte that is no rune.
func broken(r rune, n int) bool { return r == utf8.RuneError && n <= 1 }

// cut returns the length of the first part of a word: all of it if there is no
// seam.
func (c *seams) cut(word string) int {
	if c == nil {
		return len(word)
	}
	i := 0
	for i < len(word) && word[i] < utf8.RuneSelf {
		i++
	}
	left, whole := utf8.RuneError, false // the rune before i, and whether it is one
	if i > 0 && i < len(word) {
		left, whole = rune(word[i-1]), true
	}
	for i < len(word) {
		right, n := rune(word[i]), 1
		if right >= utf8.RuneSelf {
			right, n = utf8.DecodeRuneInString(word[i:])
		}
		ok := !broken(right, n)
		if ok && whole && (left >= utf8.RuneSelf || right >= utf8.RuneSelf) {
			at, bit := c.slot(left, right)
			if c.pairs[at]>>bit&1 == 0 && !c.partly(word[i-1], word[i]) {
				return i
			}
		}
		left, whole = right, ok
		i += n
	}
	return i
}
