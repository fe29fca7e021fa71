package tokenizer

// Normalizers rewrite text before it is cut. What they do cannot be undone:
// decoding gives back the normalized text.

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

type normalizer func(string) string

func (t *Tokenizer) normalize(s string) string {
	if t.norm == nil {
		return s
	}
	return t.norm(s)
}

// newNormalizer is the one place where a file's normalizer becomes a function;
// nil means none.
func newNormalizer(p *part) (normalizer, error) {
	if p == nil {
		return nil, nil
	}
	switch p.Type {
	case "Sequence":
		var steps []normalizer
		for i := range p.Normalizers {
			n, err := newNormalizer(&p.Normalizers[i])
			if err != nil {
				return nil, err
			}
			steps = append(steps, n)
		}
		return func(s string) string {
			for _, n := range steps {
				s = n(s)
			}
			return s
		}, nil
	case "NFC":
		nfc := normalForm(norm.NFC)
		return func(s string) string {
			n := inertNFC(s)
			if n == len(s) {
				return s
			}
			return s[:n] + nfc(s[n:])
		}, nil
	case "NFD":
		return normalForm(norm.NFD), nil
	case "NFKC":
		return normalForm(norm.NFKC), nil
	case "NFKD":
		return normalForm(norm.NFKD), nil
	case "Lowercase":
		return func(s string) string { return eachRune(s, lowered) }, nil
	case "StripAccents":
		return func(s string) string {
			return eachRune(s, func(r rune) string {
				if unicode.IsMark(r) {
					return ""
				}
				return string(r)
			})
		}, nil
	case "Strip":
		left, right := p.StripLeft, p.StripRight
		return func(s string) string {
			if left {
				s = strings.TrimLeftFunc(s, unicode.IsSpace)
			}
			if right {
				s = strings.TrimRightFunc(s, unicode.IsSpace)
			}
			return s
		}, nil
	case "Prepend":
		prefix := p.Prepend
		return func(s string) string {
			if s == "" {
				return s
			}
			return prefix + s
		}, nil
	case "Replace":
		return newReplace("normalizer", p)
	}
	return nil, refuse("normalizer", fmt.Sprintf("%q", p.Type))
}

// inertNFC returns the length of a beginning of s that NFC leaves alone, whatever
// follows: it is much faster than the tables of package norm, which cost a tenth of
// encoding Chinese.
func inertNFC(s string) int {
	i := 0
	for i < len(s) {
		switch b := s[i]; {
		case b < utf8.RuneSelf:
			i++
			continue
		case b >= 0xE4 && b <= 0xE9: // U+4000 to U+9FFF: ideographs, and signs of the Yijing
		case b == 0xE3 && i+2 < len(s) && s[i+1] == 0x80 && s[i+2] < 0xAA: // U+3000 to U+3029: 、。「」
		case b == 0xEF && i+1 < len(s) && s[i+1] >= 0xBC && s[i+1] <= 0xBE: // U+FF00 to U+FFBF: ，！？
		default:
			return whole(s, i)
		}
		if r, n := utf8.DecodeRuneInString(s[i:]); r == utf8.RuneError || n != 3 {
			return whole(s, i)
		}
		i += 3
	}
	return i
}

// whole moves i to before the rune that ends there, which what follows may change.
func whole(s string, i int) int {
	_, n := utf8.DecodeLastRuneInString(s[:i])
	return i - n
}

// newReplace is Replace, of normalizers and of decoders.
func newReplace(where string, p *part) (normalizer, error) {
	text := p.Content
	if p.Pattern.String != nil {
		old := *p.Pattern.String
		if old == "" {
			return nil, refuse(where, "Replace of an empty string")
		}
		return func(s string) string { return strings.ReplaceAll(s, old, text) }, nil
	}
	if p.Pattern.Regex == nil {
		return nil, refuse(where, "Replace without a pattern")
	}
	find, err := newRegex(*p.Pattern.Regex)
	if err != nil {
		return nil, refuse(where, "Replace: "+err.Error())
	}
	return func(s string) string {
		var w strings.Builder
		from := 0
		find(s, func(start, end int) bool {
			w.WriteString(s[from:start])
			w.WriteString(text)
			from = end
			return true
		})
		w.WriteString(s[from:])
		return w.String()
	}, nil
}

// lowered is the small letter of r alone, whatever its neighbours.
func lowered(r rune) string {
	if r == 'İ' { // the one capital whose small letter is two runes
		return "i\u0307"
	}
	return string(unicode.ToLower(r))
}

// eachRune rewrites every rune; bytes that are no UTF-8 stay.
func eachRune(s string, f func(rune) string) string {
	var w strings.Builder
	w.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			w.WriteByte(s[i])
		} else {
			w.WriteString(f(r))
		}
		i += n
	}
	return w.String()
}
