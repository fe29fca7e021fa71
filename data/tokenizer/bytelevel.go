package tokenizer

// The byte-level alphabet of GPT-2: files hold tokens as text, so each of the
// 256 bytes is given a printable rune. Printable Latin-1 stands for itself, the
// 68 others follow from U+0100: a space is Ġ, a line end Ċ.

import "strings"

const lastAlphabetRune = 0x100 + 67

// byteRune[b] is the rune of byte b, runeByte[r] the byte of rune r or -1.
var byteRune, runeByte = func() (to [256]rune, from [lastAlphabetRune + 1]int16) {
	for r := range from {
		from[r] = -1
	}
	next := rune(0x100)
	for b := range rune(256) {
		r := b
		if !(b >= '!' && b <= '~' || b >= '¡' && b <= '¬' || b >= '®') {
			r = next
			next++
		}
		to[b], from[r] = r, int16(b)
	}
	return to, from
}()

// toAlphabet writes raw bytes in the alphabet's runes.
func toAlphabet(raw string) string {
	var w strings.Builder
	for i := range len(raw) {
		w.WriteRune(byteRune[raw[i]])
	}
	return w.String()
}

// fromAlphabet is the inverse; ok is false if s has a rune outside the alphabet.
func fromAlphabet(s string) (raw string, ok bool) {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r < 0 || r > lastAlphabetRune || runeByte[r] < 0 {
			return "", false
		}
		b = append(b, byte(runeByte[r]))
	}
	return string(b), true
}
