package tokenizer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var scannedPatterns = []string{Pattern, PatternGPT2, PatternLlama3, PatternQwen2, PatternO200K, PatternTekken}

// scannedPieces are what the patterns tell apart, and what is easily got wrong.
var scannedPieces = []string{"a", "B", "word", "Éa", "日本", "ǅ", "ʰ", "ª", "\u0301", "\u0903", "1", "23", "4567", "½", "٣", "Ⅷ", " ", "  ", "\t", "\n", "\r\n",
	"\u00a0", "\u2028", "\u3000", "\x0b", "\x85", "\x00", "\x1c", "_", "(", "+=", "/", "'", "'s", "'S", "'ſ", "'ll", "'Re", "'VE", "’s", "—", "😀", "\u200b", "\u200d", "𝔘", "𠀀", "𖹀"}

// The regular expression, which nobody wrote by hand, is what the scanner must
// equal.
func TestScannersEqualTheirPatterns(t *testing.T) {
	for _, pattern := range scannedPatterns {
		find, err := newRegex(pattern)
		if err != nil {
			t.Fatal(err)
		}
		scan := chooseScanner(pattern)
		rapid.Check(t, func(t *rapid.T) {
			s := strings.Join(rapid.SliceOfN(rapid.SampledFrom(scannedPieces), 1, 12).Draw(t, "pieces"), "")
			if rapid.IntRange(0, 4).Draw(t, "any") == 0 {
				s = rapid.String().Draw(t, "text")
			}
			var want, got []string
			find(s, func(start, end int) bool { want = append(want, s[start:end]); return true })
			for rest := s; rest != ""; {
				n := scan(rest)
				got, rest = append(got, rest[:n]), rest[n:]
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
				t.Fatalf("%q: %q is cut to %q, want %q", pattern, s, got, want)
			}
		})
	}
}

func TestThePatternsOfOnigurumaAreTranslated(t *testing.T) {
	for _, c := range []struct{ pattern, want string }{
		{`\w+\s`, "[" + wordClass + `]+\s`},
		{`[\w-]`, "[" + wordClass + "-]"},
		{`\W`, "[^" + wordClass + "]"},
		{`\\w`, `\\w`},
		{`\p{N}+\P{Lu}+x{2}`, `\p{N}+\P{Lu}+x{2}`},
		{`[a\]\w]`, `[a\]` + wordClass + "]"},
	} {
		if got, err := translate(c.pattern); err != nil || got != c.want {
			t.Errorf("%s gives %s, %v; want %s", c.pattern, got, err, c.want)
		}
	}
}

func TestALongRunOfOneKindIsNoAttackOnAnyPattern(t *testing.T) {
	finders := map[string]func(string) int{}
	for _, pattern := range scannedPatterns {
		scan := chooseScanner(pattern)
		finders["scanner of "+pattern] = func(s string) (n int) {
			for ; s != ""; n++ {
				s = s[scan(s):]
			}
			return n
		}
		find, err := newRegex(pattern)
		if err != nil {
			t.Fatal(err)
		}
		finders["regex "+pattern] = func(s string) (n int) {
			find(s, func(int, int) bool { n++; return true })
			return n
		}
	}
	for name, count := range finders {
		for _, unit := range []string{"a", "A", "1", " ", "\n", " \n", "(", "'", "日", "\u0301"} {
			s := strings.Repeat(unit, 1<<18/len(unit))
			start := time.Now()
			if count(s) == 0 {
				t.Fatal("no pre-token")
			}
			if d := time.Since(start); d > 20*time.Second { // 20 ms on an idle core; quadratic would be minutes
				t.Errorf("%s: %v for 256 KiB of %q", name, d, unit)
			}
		}
	}
}
