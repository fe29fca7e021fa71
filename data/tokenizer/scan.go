package tokenizer

// Scanners cut text into pre-tokens; no merge ever crosses their borders. A
// hand-written loop is some thirty times faster than a backtracking regular
// expression, and reads any bytes: what is not UTF-8 counts as punctuation.

import (
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

type class uint8

const (
	other class = iota // punctuation, symbols, marks, bytes that are no UTF-8
	letter
	number
	newline // \r \n
	blank   // all other white space
)

// asciiClass spares the common case the tables of package unicode.
var asciiClass = func() (t [utf8.RuneSelf]class) {
	for r := range t {
		t[r] = classOf(rune(r))
	}
	return t
}()

func classOf(r rune) class {
	switch {
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case r == '\n' || r == '\r':
		return newline
	case unicode.IsSpace(r):
		return blank
	}
	return other
}

// classAt returns the class and the width of the rune at s[i:].
func classAt(s string, i int) (class, int) {
	if b := s[i]; b < utf8.RuneSelf {
		return asciiClass[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

// runEnd returns the end of the run of class c that s[i:] begins with.
func runEnd(s string, i int, c class) int {
	for i < len(s) {
		d, n := classAt(s, i)
		if d != c {
			break
		}
		i += n
	}
	return i
}

// scanDigits is the scanner of [Pattern].
func scanDigits(s string) int {
	c, n := spaced(s)
	switch c {
	case letter, other:
		return runEnd(s, n, c)
	case number:
		return n
	}
	end, last, line := blanks(s)
	if line > 0 {
		for line < len(s) && s[line] == '\t' {
			line++
		}
		return line
	}
	return leaveOne(s, end, last)
}

// spaced returns the class of the first rune and its end, looking through one
// space that stands before a letter or punctuation.
func spaced(s string) (class, int) {
	if s[0] == ' ' && len(s) > 1 {
		if c, n := classAt(s, 1); c == letter || c == other {
			return c, 1 + n
		}
	}
	return classAt(s, 0)
}

// blanks measures the run of white space that s begins with: its end, the start
// of its last rune, and the end of its last line end (0: there is none).
func blanks(s string) (end, last, line int) {
	for end < len(s) {
		c, n := classAt(s, end)
		if c != newline && c != blank {
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
