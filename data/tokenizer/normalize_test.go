package tokenizer

import (
	"strings"
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

// On texts that package norm can do, the definition gives the same.
func TestLongMarksAreNormalizedByTheDefinition(t *testing.T) {
	texts := readVectors(t).Texts
	for _, form := range []norm.Form{norm.NFC, norm.NFD, norm.NFKC, norm.NFKD} {
		rapid.Check(t, func(t *rapid.T) {
			s := drawText(t, texts)
			if want := form.String(s); strings.Count(want, "\u034F") == strings.Count(s, "\u034F") {
				if got := longForm(form, s); got != want {
					t.Fatalf("form %d: %q gives %q, want %q", form, s, got, want)
				}
			}
		})
	}
	// As the reference has them: 40 accents, one of them joined; sorted by class.
	nfc := normalForm(norm.NFC)
	if got, want := nfc("a"+strings.Repeat("\u0301", 40)), "á"+strings.Repeat("\u0301", 39); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := nfc("a"+strings.Repeat("\u0301\u0323", 40)), "ạ"+strings.Repeat("\u0323", 39)+strings.Repeat("\u0301", 40); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := nfc(strings.Repeat("\u0301\u0323", 20)+"x"), strings.Repeat("\u0323", 20)+strings.Repeat("\u0301", 20)+"x"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
