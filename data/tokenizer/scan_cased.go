package tokenizer

// The scanners that cut words where a capital follows a small letter, as OpenAI's
// o200k does ("camelCase" is "camel" and "Case"), and Mistral's Tekken after it.

// The two patterns differ in contractions, which only o200k knows and puts at
// the word's end, and in digits: three together, or one.
const (
	PatternO200K = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|` +
		`\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	PatternTekken = `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|` +
		`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|` +
		`\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

func (t *classTable) scanO200K(s string) int {
	n := t.casedWord(s)
	if n == 0 {
		return t.scanRest(s, 3, "\r\n/")
	}
	return n + contraction(s[n:])
}

func (t *classTable) scanTekken(s string) int {
	if n := t.casedWord(s); n > 0 {
		return n
	}
	return t.scanRest(s, 1, "\r\n/")
}

// casedWord returns the length of the two word alternatives at the start of s,
// without contraction, or 0. The character before the word is optional, and a
// mark may be either it or the word's first: as the pattern backtracks, first
// every way of the first alternative is tried, then of the second.
func (t *classTable) casedWord(s string) int {
	c, lead := t.at(s, 0)
	if c&(other|blank) == 0 {
		lead = 0
	}
	if lead > 0 {
		if n := t.smallTail(s, lead); n > 0 {
			return n
		}
	}
	if n := t.smallTail(s, 0); n > 0 {
		return n
	}
	if lead > 0 {
		if n := t.capitalHead(s, lead); n > 0 {
			return n
		}
	}
	return t.capitalHead(s, 0)
}

// inUpper and inLower are the two character sets of the patterns; letters
// without case, and marks, are in both.
func inUpper(c class) bool { return c&(letter|mark) != 0 && c&lower == 0 }
func inLower(c class) bool { return c&(letter|mark) != 0 && c&upper == 0 }

// smallTail is [upper]*[lower]+ at s[i:]: its end, or 0. When nothing small
// follows the run of capitals, the run gives back from its end what is in both
// sets, at least one.
func (t *classTable) smallTail(s string, i int) int {
	both := 0 // the end of the last rune in both sets
	for i < len(s) {
		c, n := t.at(s, i)
		if !inUpper(c) {
			break
		}
		i += n
		if inLower(c) {
			both = i
		}
	}
	if end := t.lowerEnd(s, i); end > i {
		return end
	}
	return both
}

// capitalHead is [upper]+[lower]* at s[i:]: its end, or 0.
func (t *classTable) capitalHead(s string, i int) int {
	from := i
	for i < len(s) {
		c, n := t.at(s, i)
		if !inUpper(c) {
			break
		}
		i += n
	}
	if i == from {
		return 0
	}
	return t.lowerEnd(s, i)
}

func (t *classTable) lowerEnd(s string, i int) int {
	for i < len(s) {
		c, n := t.at(s, i)
		if !inLower(c) {
			break
		}
		i += n
	}
	return i
}
