package tokenizer

// GPT-2's scanner: what the ByteLevel pre-tokenizer of a tokenizer.json does by
// itself when it says use_regex.

import "strings"

// PatternGPT2 is the regular expression of GPT-2, which [Load] also reads.
const PatternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// scanGPT2 is the scanner of [PatternGPT2].
func scanGPT2(s string) int {
	if s[0] == '\'' {
		for _, suffix := range [...]string{"s", "t", "re", "ve", "m", "ll", "d"} {
			if strings.HasPrefix(s[1:], suffix) {
				return 1 + len(suffix)
			}
		}
	}
	c, n := classAt(s, 0)
	if s[0] == ' ' && len(s) > 1 {
		if d, m := classAt(s, 1); d != blank && d != newline {
			c, n = d, 1+m
		}
	}
	if c == letter || c == number || c == other {
		return runEnd(s, n, c)
	}
	end, last, _ := blanks(s)
	return leaveOne(s, end, last)
}
