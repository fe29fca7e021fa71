package tokenizer

// Pre-tokenizers cut text into pre-tokens, one stage after the other. Pieces are
// handed on as they are found, so that a text of which only the beginning is
// wanted is not read to its end.

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A stage cuts s and calls emit for every piece, in order, until emit returns
// false; it returns false then. first says that s begins the whole text, and is
// handed on for the piece that does. No piece is empty.
type stage interface {
	cut(s string, first bool, emit func(piece string, first bool) bool) bool
}

// words sends s through the stages, and each pre-token to emit.
func (t *Tokenizer) words(stages []stage, s string, first bool, emit func(string) bool) bool {
	if len(stages) == 0 {
		return emit(s)
	}
	if scan, ok := stages[0].(scanStage); ok && len(stages) == 1 { // the usual case, without a second closure
		for s != "" {
			n := scan(s)
			if !emit(s[:n]) {
				return false
			}
			s = s[n:]
		}
		return true
	}
	return stages[0].cut(s, first, func(piece string, first bool) bool {
		return t.words(stages[1:], piece, first, emit)
	})
}

// scanStage is a Split, Isolated, whose pattern has a scanner.
type scanStage scanner

func (scan scanStage) cut(s string, first bool, emit func(string, bool) bool) bool {
	for s != "" {
		n := scan(s)
		if !emit(s[:n], first) {
			return false
		}
		s, first = s[n:], false
	}
	return true
}

// spaceStage is add_prefix_space of ByteLevel.
type spaceStage struct{}

func (spaceStage) cut(s string, first bool, emit func(string, bool) bool) bool {
	if s[0] != ' ' {
		s = " " + s
	}
	return emit(s, first)
}

// metaspace writes spaces as another character, mostly ▁, and puts one before
// the text.
type metaspace struct {
	mark            string
	always, atStart bool // prepend_scheme: always, first; neither is never
}

func (m metaspace) cut(s string, first bool, emit func(string, bool) bool) bool {
	s = strings.ReplaceAll(s, " ", m.mark)
	if (m.always || m.atStart && first) && !strings.HasPrefix(s, m.mark) {
		s = m.mark + s
	}
	return emit(s, first)
}

// A markStage cuts before every mark, or only before the first of a run.
type markStage struct {
	mark string
	runs bool
}

func (m markStage) cut(s string, first bool, emit func(string, bool) bool) bool {
	for s != "" {
		n := 0
		for m.runs && strings.HasPrefix(s[n:], m.mark) {
			n += len(m.mark)
		}
		n = max(n, 1) // a mark at 0 is not cut off
		if i := strings.Index(s[n:], m.mark); i >= 0 {
			n += i
		} else {
			n = len(s)
		}
		if !emit(s[:n], first) {
			return false
		}
		s, first = s[n:], false
	}
	return true
}

// A finder calls yield with every match in s, in order, until it returns false.
type finder func(s string, yield func(start, end int) bool)

// runesThat finds the runes, each a match, of which is holds.
func runesThat(is func(rune) bool) finder {
	return func(s string, yield func(start, end int) bool) {
		for i := 0; i < len(s); {
			r, n := utf8.DecodeRuneInString(s[i:])
			if is(r) && !yield(i, i+n) {
				return
			}
			i += n
		}
	}
}

func isPunctuation(r rune) bool {
	return unicode.IsPunct(r) || r < utf8.RuneSelf && unicode.IsSymbol(r)
}

// literal finds a string.
func literal(text string) finder {
	return func(s string, yield func(start, end int) bool) {
		for from := 0; ; {
			i := strings.Index(s[from:], text)
			if i < 0 || !yield(from+i, from+i+len(text)) {
				return
			}
			from += i + len(text)
		}
	}
}

// wordRuns finds \w+|[^\w\s]+, what the pre-tokenizer Whitespace keeps.
func wordRuns(s string, yield func(start, end int) bool) {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		start, k := i, kind(r)
		for i += n; i < len(s); i += n {
			if r, n = utf8.DecodeRuneInString(s[i:]); kind(r) != k {
				break
			}
		}
		if k != 0 && !yield(start, i) {
			return
		}
	}
}
