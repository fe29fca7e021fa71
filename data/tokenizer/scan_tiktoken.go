package tokenizer

// The scanners that OpenAI's cl100k began: a word may take any one character
// before it, digits stand in short groups, punctuation takes the line ends
// after it.

import "strings"

// The patterns of Llama 3 and of Qwen 2 differ in how many digits stand
// together: three or one. Llama 3's is also how files spell cl100k.
const (
	PatternLlama3 = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	PatternQwen2  = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

func (t *classTable) scanLlama3(s string) int { return t.scanTiktoken(s, 3) }
func (t *classTable) scanQwen2(s string) int  { return t.scanTiktoken(s, 1) }

func (t *classTable) scanTiktoken(s string, digits int) int {
	if n := contraction(s); n > 0 {
		return n
	}
	c, n := t.at(s, 0)
	if c&letter != 0 {
		return t.runEnd(s, n, letter)
	}
	if c&(other|blank) != 0 && n < len(s) {
		if d, m := t.at(s, n); d&letter != 0 {
			return t.runEnd(s, n+m, letter)
		}
	}
	return t.scanRest(s, digits, "\r\n")
}

// scanRest scans what begins no word: digits, punctuation with the characters of
// trail after it, or blanks.
func (t *classTable) scanRest(s string, digits int, trail string) int {
	c, n := t.at(s, 0)
	if c == number {
		for digits--; digits > 0 && n < len(s); digits-- {
			d, m := t.at(s, n)
			if d != number {
				break
			}
			n += m
		}
		return n
	}
	if s[0] == ' ' && len(s) > 1 {
		if d, m := t.at(s, 1); d&other != 0 {
			c, n = d, 1+m
		}
	}
	if c&other != 0 {
		n = t.runEnd(s, n, other)
		for n < len(s) && strings.IndexByte(trail, s[n]) >= 0 {
			n++
		}
		return n
	}
	end, last, line := t.blanks(s)
	if line > 0 {
		return line
	}
	return leaveOne(s, end, last)
}

// contraction returns the length of (?i:'s|'t|'re|'ve|'m|'ll|'d) at the start of
// s, or 0. The long ſ is an s to a pattern that ignores case.
func contraction(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		if len(s) > 2 && s[2]|0x20 == 'e' {
			return 3
		}
	case 'l':
		if len(s) > 2 && s[2]|0x20 == 'l' {
			return 3
		}
	}
	if strings.HasPrefix(s[1:], "ſ") {
		return 1 + len("ſ")
	}
	return 0
}
