package tokenizer

// Added tokens are found in the text before anything else cuts it: those with
// normalized false in the text as it stands, the others after normalization. The
// leftmost match wins, and the longest of those that begin there.

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is an entry of added_tokens.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // not inside a longer word
	LStrip     bool   `json:"lstrip"`      // takes the white space before it
	RStrip     bool   `json:"rstrip"`      // takes the white space after it
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"` // not part of the text when decoding
}

// matcher finds the tokens of one set.
type matcher struct {
	tokens  map[string]*addedToken
	lengths [256][]int // by first byte: the lengths of the tokens, longest first
	plain   bool       // some token is not special
}

// newMatcher returns nil for an empty set. spelled gives what to look for.
func newMatcher(tokens []addedToken, normalized bool, spelled func(string) string) *matcher {
	m := &matcher{tokens: map[string]*addedToken{}}
	for i := range tokens {
		a := &tokens[i]
		text := a.Content
		if a.Normalized != normalized {
			continue
		}
		if normalized {
			text = spelled(text)
		}
		if _, twice := m.tokens[text]; twice || text == "" {
			continue
		}
		m.tokens[text] = a
		m.plain = m.plain || !a.Special
		m.lengths[text[0]] = append(m.lengths[text[0]], len(text))
	}
	if len(m.tokens) == 0 {
		return nil
	}
	for b, l := range m.lengths {
		slices.SortFunc(l, func(a, b int) int { return cmp.Compare(b, a) })
		m.lengths[b] = slices.Compact(l)
	}
	return m
}

// split calls emit for every token of the set and every piece of text between
// two, in order, until emit returns false. Special tokens are passed over, as
// text, unless special is set.
func (m *matcher) split(text string, special bool, emit func(piece string, at int, a *addedToken) bool) bool {
	if m == nil || !special && !m.plain {
		return text == "" || emit(text, 0, nil)
	}
	from := 0 // all before it is emitted
	for i := 0; i < len(text); {
		a, length := m.longest(text[i:])
		if a == nil {
			i++
			continue
		}
		start, end := i, i+length
		i = end // even if passed over: the match is used up
		if a.Special && !special || a.SingleWord && insideWord(text, start, end) {
			continue
		}
		// The token before may have taken white space beyond this match: then
		// from is the end of that white space, and there is none to look for.
		if a.LStrip && from < start {
			start = from + len(strings.TrimRightFunc(text[from:start], unicode.IsSpace))
		}
		if a.RStrip && from <= end {
			end = len(text) - len(strings.TrimLeftFunc(text[end:], unicode.IsSpace))
		}
		end = max(from, end)
		if from < start && !emit(text[from:start], from, nil) {
			return false
		}
		if !emit("", start, a) {
			return false
		}
		from = end
	}
	return from >= len(text) || emit(text[from:], from, nil)
}

func (m *matcher) longest(s string) (*addedToken, int) {
	for _, n := range m.lengths[s[0]] {
		if n <= len(s) {
			if a := m.tokens[s[:n]]; a != nil {
				return a, n
			}
		}
	}
	return nil, 0
}

func insideWord(text string, start, end int) bool {
	before, _ := utf8.DecodeLastRuneInString(text[:start])
	after, _ := utf8.DecodeRuneInString(text[end:])
	return start > 0 && isWord(before) || end < len(text) && isWord(after)
}

// isWord is \w of Unicode's regular expressions (UTS 18, annex C).
func isWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_'
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic, unicode.Join_Control)
}
