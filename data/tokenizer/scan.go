package tokenizer

// Scanners cut text into pre-tokens; no merge ever crosses their borders. A
// hand-written loop is some thirty times faster than a backtracking regular
// expression, and reads any bytes: what is not UTF-8 counts as punctuation.

import (
	"sync"
	"unicode"
	"unicode/utf8"
)

// Pattern is the regular expression (Oniguruma's dialect, as in tokenizer.json)
// that the scanner of trained tokenizers equals:
//
//	 ?\p{L}+             a word with the space before it
//	\p{N}                one digit: numbers are learnt digit by digit
//	 ?[^\s\p{L}\p{N}]+   a run of punctuation with the space before it
//	\s*[\r\n]+\t*        line ends, blanks before them, the next line's tabs
//	\s+(?!\S)|\s+        other blanks; the last one is left to the word it precedes
const Pattern = ` ?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+|\s*[\r\n]+\t*|\s+(?!\S)|\s+`

// A scanner returns the length in bytes of the first pre-token of s, which is
// not empty.
type scanner func(s string) int

// chooseScanner returns the hand-written scanner that equals a pattern, or nil.
func chooseScanner(pattern string) scanner {
	t := classes()
	switch pattern {
	case Pattern:
		return t.scanDigits
	case PatternGPT2:
		return t.scanGPT2
	case PatternLlama3:
		return t.scanLlama3
	case PatternQwen2:
		return t.scanQwen2
	case PatternO200K:
		return t.scanO200K
	case PatternTekken:
		return t.scanTekken
	}
	return nil
}

// class says what a scanner must know of a rune. Exactly one of the first five
// bits is set; the others refine letter and other.
type class uint8

const (
	other   class = 1 << iota // punctuation, symbols, marks, bytes that are no UTF-8
	letter                    // \p{L}
	number                    // \p{N}
	newline                   // \r \n
	blank                     // all other white space
	mark                      // \p{M}, which is other too
	upper                     // \p{Lu} \p{Lt}
	lower                     // \p{Ll}
	white   = newline | blank
)

// classTable holds the class of every rune below U+20000, where all scripts but
// the rarer ideographs are: the searches of package unicode cost more than the
// merges do.
type classTable [0x20000]class

var classes = sync.OnceValue(func() *classTable {
	t := new(classTable)
	for i := range t {
		t[i] = other
	}
	put := func(table *unicode.RangeTable, c class) {
		for _, r := range table.R16 {
			for x := uint32(r.Lo); x <= uint32(r.Hi); x += uint32(r.Stride) {
				t[x] = c
			}
		}
		for _, r := range table.R32 {
			for x := r.Lo; x <= r.Hi && x < uint32(len(t)); x += r.Stride {
				t[x] = c
			}
		}
	}
	put(unicode.L, letter)
	put(unicode.Lu, letter|upper)
	put(unicode.Lt, letter|upper)
	put(unicode.Ll, letter|lower)
	put(unicode.N, number)
	put(unicode.M, other|mark)
	put(unicode.White_Space, blank)
	t['\r'], t['\n'] = newline, newline
	return t
})

// rare is the class of a rune that the table does not reach.
func rare(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter // ideographs: no case above U+20000
	case unicode.IsNumber(r):
		return number
	case unicode.IsMark(r):
		return other | mark
	}
	return other
}

// at returns the class and the width of the rune at s[i:].
func (t *classTable) at(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return t[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	if int(r) < len(t) {
		return t[r], n
	}
	return rare(r), n
}

// runEnd returns the end of the run of classes in set that s[i:] begins with.
func (t *classTable) runEnd(s string, i int, set class) int {
	for i < len(s) {
		if b := s[i]; b < utf8.RuneSelf {
			if t[b]&set == 0 {
				break
			}
			i++
			continue
		}
		c, n := t.at(s, i)
		if c&set == 0 {
			break
		}
		i += n
	}
	return i
}

// scanDigits is the scanner of [Pattern].
func (t *classTable) scanDigits(s string) int {
	c, n := t.at(s, 0)
	if s[0] == ' ' && len(s) > 1 {
		if d, m := t.at(s, 1); d&(letter|other) != 0 {
			c, n = d, 1+m
		}
	}
	switch {
	case c&letter != 0:
		return t.runEnd(s, n, letter)
	case c&other != 0:
		return t.runEnd(s, n, other)
	case c == number:
		return n
	}
	end, last, line := t.blanks(s)
	if line > 0 {
		for line < len(s) && s[line] == '\t' {
			line++
		}
		return line
	}
	return leaveOne(s, end, last)
}

// blanks measures the run of white space that s begins with: its end, the start
// of its last rune, and the end of its last line end (0: there is none).
func (t *classTable) blanks(s string) (end, last, line int) {
	for end < len(s) {
		c, n := t.at(s, end)
		if c&white == 0 {
			break
		}
		last, end = end, end+n
		if c == newline {
			line = end
		}
	}
	return end, last, line
}

// leaveOne is \s+(?!\S)|\s+: a run of blanks before a word leaves it the last.
func leaveOne(s string, end, last int) int {
	if end < len(s) && last > 0 {
		return last
	}
	return end
}
