package tokenizer

// GPT-2's scanner: what the ByteLevel pre-tokenizer of a tokenizer.json does by
// itself when it says use_regex.

// PatternGPT2 is the regular expression of GPT-2.
const PatternGPT2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// scanGPT2 is the scanner of [PatternGPT2].
func (t *classTable) scanGPT2(s string) int {
	if s[0] == '\'' && len(s) > 1 {
		switch s[1] {
		case 's', 't', 'm', 'd':
			return 2
		case 'r', 'v':
			if len(s) > 2 && s[2] == 'e' {
				return 3
			}
		case 'l':
			if len(s) > 2 && s[2] == 'l' {
				return 3
			}
		}
	}
	c, n := t.at(s, 0)
	if s[0] == ' ' && len(s) > 1 {
		if d, m := t.at(s, 1); d&white == 0 {
			c, n = d, 1+m
		}
	}
	if set := c & (letter | number | other); set != 0 {
		return t.runEnd(s, n, set)
	}
	end, last, _ := t.blanks(s)
	return leaveOne(s, end, last)
}
