package tokenizer

// From a pre-token to its tokens: the symbols it begins as, and a memory of the
// words met before.

import (
	"hash/maphash"
	"sync/atomic"
	"unicode/utf8"
)

// encodeWord appends the tokens of one pre-token, which is not empty.
func (t *Tokenizer) encodeWord(dst []int32, s *scratch, word string) []int32 {
	if t.byteLevel && len(word) == 1 && t.byteID[word[0]] >= 0 {
		return append(dst, t.byteID[word[0]])
	}
	if t.seams == nil || len(word) <= shortClause || word[len(word)-1] < utf8.RuneSelf {
		var known bool
		if dst, known = t.recall(dst, word); known {
			return dst
		}
	}
	n := t.seams.cut(word)
	if n == len(word) {
		return t.remember(dst, s, word)
	}
	for ; word != ""; n = t.seams.cut(word) {
		part := word[:n]
		word = word[n:]
		if _, odd := t.whole[part]; odd { // a token only where it is a pre-token of its own
			dst = t.mergeSymbols(dst, t.symbols(s, part))
			continue
		}
		var known bool
		if dst, known = t.recall(dst, part); !known {
			dst = t.remember(dst, s, part)
		}
	}
	return dst
}

// shortClause in bytes: longer words that do not end in ASCII are cut before they
// are looked for, because clauses seldom come back.
const shortClause = 12

// recall appends the tokens of a word met before.
func (t *Tokenizer) recall(dst []int32, word string) (_ []int32, known bool) {
	if len(word) > longestCached {
		return dst, false
	}
	c := t.cache.slot(word).Load()
	if c == nil || string(c.word[:c.length]) != word {
		return dst, false
	}
	return append(dst, c.ids[:c.count]...), true
}

// remember appends the tokens of a word and keeps them.
func (t *Tokenizer) remember(dst []int32, s *scratch, word string) []int32 {
	from := len(dst)
	dst = t.mergeWord(dst, s, word)
	if count := len(dst) - from; len(word) <= longestCached && count <= mostCached {
		c := &cached{length: uint8(len(word)), count: uint8(count)}
		copy(c.word[:], word)
		copy(c.ids[:], dst[from:])
		t.cache.slot(word).Store(c)
	}
	return dst
}

// mergeWord is encodeWord without cache and seams.
func (t *Tokenizer) mergeWord(dst []int32, s *scratch, word string) []int32 {
	if t.whole != nil {
		if id, ok := t.whole[word]; ok {
			return append(dst, id)
		}
	}
	return t.mergeSymbols(dst, t.symbols(s, word))
}

// symbols makes s.ids the symbols of a word.
func (t *Tokenizer) symbols(s *scratch, word string) *scratch {
	s.ids = s.ids[:0]
	if t.byteLevel {
		t.byteSymbols(s, word)
	} else {
		t.runeSymbols(s, word)
	}
	return s
}

// byteSymbols makes every byte a symbol, or a rune where that gives the same.
func (t *Tokenizer) byteSymbols(s *scratch, word string) {
	if t.allBytes {
		for i := 0; i < len(word); {
			n := 1
			if word[i] >= utf8.RuneSelf && t.seams != nil {
				var id int32
				if id, n = t.seams.rune(word, i); id != none {
					s.ids = append(s.ids, id)
					i += n
					continue
				}
			}
			for ; n > 0; n-- {
				s.ids = append(s.ids, t.byteID[word[i]])
				i++
			}
		}
		return
	}
	pending := none
	for i := range len(word) {
		if id := t.byteID[word[i]]; id >= 0 {
			pending = s.add(pending, id)
		} else {
			pending = t.missing(s, pending)
		}
	}
	if pending != none {
		s.ids = append(s.ids, pending)
	}
}

// runeSymbols makes every rune a symbol, and a rune without a token the tokens
// of its bytes or, where the file has none, the unknown token. A byte that is no
// UTF-8 is treated as a rune of that one byte.
func (t *Tokenizer) runeSymbols(s *scratch, word string) {
	pending := none
	for i := 0; i < len(word); {
		r, n := rune(word[i]), 1
		id, ok := int32(none), false
		if r < utf8.RuneSelf {
			id = t.asciiID[r]
			ok = id >= 0
		} else if r, n = utf8.DecodeRuneInString(word[i:]); r != utf8.RuneError || n > 1 {
			id, ok = t.runeID[r]
		}
		switch {
		case ok:
			pending = s.add(pending, id)
		case t.fallback(s, word[i:i+n]):
		default:
			pending = t.missing(s, pending)
		}
		i += n
	}
	if pending != none {
		s.ids = append(s.ids, pending)
	}
}

// fallback adds the tokens of the bytes of a rune, if the file has them all. An
// unknown token that is pending stays so, and comes after them: that is what the
// reference does.
func (t *Tokenizer) fallback(s *scratch, bytes string) bool {
	for i := range len(bytes) {
		if t.fallbackID[bytes[i]] < 0 {
			return false
		}
	}
	for i := range len(bytes) {
		s.ids = append(s.ids, t.fallbackID[bytes[i]])
	}
	return true
}

// none is no token. An unknown token is pending until it is known whether the
// next symbol is fused with it (fuse_unk).
const none = int32(-1)

func (s *scratch) add(pending, id int32) int32 {
	if pending != none {
		s.ids = append(s.ids, pending)
	}
	s.ids = append(s.ids, id)
	return none
}

// missing returns what is pending after a symbol without a token. Where the file
// names no unknown token the symbol is dropped.
func (t *Tokenizer) missing(s *scratch, pending int32) int32 {
	if t.unk >= 0 && pending != none && !t.fuseUnk {
		s.ids = append(s.ids, pending)
	}
	if t.unk >= 0 {
		return t.unk
	}
	return pending
}

// wordCache remembers the tokens of short pre-tokens. Natural text repeats a few
// thousand of them, and a hit costs a hash where a miss costs the merges. Each
// slot holds one word, the latest wins: bounded, without a lock, and never part
// of a result.
type wordCache struct {
	seed  maphash.Seed
	slots [1 << 15]atomic.Pointer[cached]
}

// cached holds no pointer, so that the garbage collector need not look inside.
type cached struct {
	length, count uint8
	word          [longestCached]byte
	ids           [mostCached]int32
}

func (c *wordCache) slot(word string) *atomic.Pointer[cached] {
	return &c.slots[maphash.String(c.seed, word)%uint64(len(c.slots))]
}

const (
	longestCached = 30 // bytes: longer pre-tokens seldom come back
	mostCached    = 8  // tokens
)
