package tokenizer

import (
	"testing"

	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"
)

func TestWhatIsInertToNFCStaysWhateverFollows(t *testing.T) {
	for r := rune(0); r < 0x20000; r++ {
		for _, s := range []string{string(r), "a" + string(r), "中" + string(r), string(r) + "\u0301", string(r) + "\u3099", string(r) + "\u1161", "中" + string(r) + "\u0327\u0301"} {
			n := inertNFC(s)
			if got, want := s[:n]+norm.NFC.String(s[n:]), norm.NFC.String(s); got != want {
				t.Fatalf("%q: %d bytes inert: got %q, want %q", s, n, got, want)
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if rapid.Bool().Draw(t, "runes") {
			s = string(rapid.SliceOf(rapid.SampledFrom([]rune("ae\u0301\u0327か\u3099中、，日\u302A\u1100\u1161"))).Draw(t, "text"))
		}
		n := inertNFC(s)
		if got, want := s[:n]+norm.NFC.String(s[n:]), norm.NFC.String(s); got != want {
			t.Fatalf("%q: %d bytes inert: got %q, want %q", s, n, got, want)
		}
	})
}
