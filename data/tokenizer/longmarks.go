package tokenizer

// Package norm writes a joiner, U+034F, into more than 30 marks in a row: the
// stream-safe format of Unicode's annex 15. No tokenizer of others does. Such texts,
// which no language has and every test of robustness does, are normalized here.

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalForm returns the normalizer of a form.
func normalForm(form norm.Form) normalizer {
	return func(s string) string {
		out := form.String(s)
		if strings.Count(out, "\u034F") != strings.Count(s, "\u034F") {
			return longForm(form, s)
		}
		return out
	}
}

// symbol is a rune with its combining class: 0 begins, more are marks.
type symbol struct {
	text  string // or a byte that is no UTF-8
	class uint8
}

// longForm is the definition: decompose, sort the marks, compose.
func longForm(form norm.Form, s string) string {
	apart := norm.NFD
	if form == norm.NFKC || form == norm.NFKD {
		apart = norm.NFKD
	}
	var all []symbol
	for i := 0; i < len(s); {
		_, n := utf8.DecodeRuneInString(s[i:])
		for one := apart.String(s[i : i+n]); one != ""; {
			_, n := utf8.DecodeRuneInString(one)
			all = append(all, symbol{one[:n], apart.PropertiesString(one[:n]).CCC()})
			one = one[n:]
		}
		i += n
	}
	for from := 0; from < len(all); {
		to := from + 1
		for to < len(all) && all[to].class > 0 {
			to++
		}
		if all[from].class > 0 { // only where the text begins with marks
			from--
		}
		slices.SortStableFunc(all[from+1:to], func(a, b symbol) int { return int(a.class) - int(b.class) })
		from = to
	}
	if form == norm.NFC || form == norm.NFKC {
		all = composed(all)
	}
	var w strings.Builder
	for _, c := range all {
		w.WriteString(c.text)
	}
	return w.String()
}

// composed joins to a beginning what follows it, unless something between them, of
// the same class or of none, blocks.
func composed(all []symbol) []symbol {
	out := all[:0]
	start := -1
	for _, c := range all {
		last := len(out) - 1
		if start >= 0 && (last == start || out[last].class > 0 && out[last].class < c.class) {
			if both := norm.NFC.String(out[start].text + c.text); both != "" && utf8.RuneCountInString(both) == 1 {
				out[start].text = both
				continue
			}
		}
		if c.class == 0 {
			start = len(out)
		}
		out = append(out, c)
	}
	return out
}
