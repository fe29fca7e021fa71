package tokenizer

// Patterns without a scanner go through a backtracking engine, regexp2, ten times
// slower. Files write Oniguruma's dialect, regexp2 reads .NET's: what means
// something else there is translated, and refused where it cannot be.

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dlclark/regexp2/v2"
)

// wordClass is \w of Oniguruma, which takes more marks and letters than .NET's,
// and below U+0100 keeps to Latin-1's idea of it.
const wordClass = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\p{Other_Alphabetic}²³¹¼-¾`

// translate rewrites a pattern for regexp2, with ^ and $ at every line.
func translate(pattern string) (string, error) {
	var w strings.Builder
	class := false // inside [...]
	for i := 0; i < len(pattern); i++ {
		rest := pattern[i:]
		switch {
		case rest[0] == '\\' && len(rest) > 1:
			i++
			switch c := rest[1]; {
			case c == 'w' && class:
				w.WriteString(wordClass)
			case c == 'w':
				w.WriteString("[" + wordClass + "]")
			case c == 'W' && !class:
				w.WriteString("[^" + wordClass + "]")
			case strings.IndexByte("WhHKXRGyYOZ", c) >= 0:
				return "", fmt.Errorf(`\%c`, c)
			case strings.IndexByte(rest, '}') > 0 && (strings.HasPrefix(rest, `\p{`) || strings.HasPrefix(rest, `\P{`)):
				n := strings.IndexByte(rest, '}') + 1
				w.WriteString(rest[:n])
				i += n - 2
			default:
				w.WriteString(rest[:2])
			}
			continue
		case class && (strings.HasPrefix(rest, "[") || strings.HasPrefix(rest, "&&")):
			return "", fmt.Errorf("a set inside a set, %.8q", rest)
		case rest[0] == '[':
			class = true
		case rest[0] == ']':
			class = false
		case !class && strings.HasPrefix(rest, "}+"):
			return "", fmt.Errorf("the repeated repetition }+")
		}
		w.WriteByte(rest[0])
	}
	return w.String(), nil
}

// newRegex compiles a pattern to a finder.
func newRegex(pattern string) (finder, error) {
	text, err := translate(pattern)
	if err != nil {
		return nil, fmt.Errorf("the pattern %q has %w", pattern, err)
	}
	// Without a limit to its stack, and without a time-out, matching never fails.
	re, err := regexp2.Compile(text, regexp2.Multiline, regexp2.OptionMaxBacktrackingStackSize(-1))
	if err != nil {
		return nil, fmt.Errorf("the pattern %q: %w", pattern, err)
	}
	return func(s string, yield func(start, end int) bool) {
		runes := make([]rune, 0, len(s))
		for _, r := range s {
			runes = append(runes, r)
		}
		at, atRune := 0, 0
		skip := func(to int) int { // to the rune of that index: its byte
			for ; atRune < to; atRune++ {
				if s[at] < utf8.RuneSelf {
					at++
				} else {
					_, n := utf8.DecodeRuneInString(s[at:])
					at += n
				}
			}
			return at
		}
		err := re.FindRunesMatches(runes, 0, func(m regexp2.MatchView) bool {
			index, length, _ := m.GroupRange(0)
			start := skip(index)
			return yield(start, skip(index+length))
		})
		if err != nil {
			panic(fmt.Sprintf("tokenizer: matching %q: %v", pattern, err))
		}
	}, nil
}
