package tokenizer

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// What must hold of every family, on texts of the vectors and on any others.

// drawText draws a text of the vectors, or two joined, or any bytes.
func drawText(t *rapid.T, texts []string) string {
	switch rapid.IntRange(0, 3).Draw(t, "kind") {
	case 0:
		return rapid.SampledFrom(texts).Draw(t, "text") + rapid.SampledFrom(texts).Draw(t, "second")
	case 1:
		return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	case 2:
		return rapid.String().Draw(t, "any")
	}
	return rapid.SampledFrom(texts).Draw(t, "text")
}

func TestEveryFamilyStreamsWhatItDecodes(t *testing.T) {
	texts := readVectors(t).Texts
	for name, tok := range familyTokenizers(t) {
		rapid.Check(t, func(t *rapid.T) {
			s := drawText(t, texts)
			ids := tok.EncodeSpecial(s)
			stream, joined := tok.NewStream(), ""
			for _, id := range ids {
				part := stream.Next(id)
				if utf8.ValidString(s) && !utf8.ValidString(part) {
					t.Fatalf("%s: part %q of %q is cut inside a rune", name, part, s)
				}
				joined += part
			}
			if joined += stream.Flush(); joined != tok.Decode(ids) {
				t.Fatalf("%s: streamed %q, decoded %q", name, joined, tok.Decode(ids))
			}
		})
	}
}

// The families that lose nothing: no normalizer, a token for every byte, and
// added tokens that take no white space.
func TestDecodeGivesBackTheTextOfLosslessFamilies(t *testing.T) {
	texts := readVectors(t).Texts
	toks := familyTokenizers(t)
	for _, name := range []string{"gpt2", "llama3", "o200k", "tekken", "digits", "regex", "trained", "llama2"} {
		tok := toks[name]
		rapid.Check(t, func(t *rapid.T) {
			s := drawText(t, texts)
			if name == "llama2" {
				s = strings.ReplaceAll(s, "▁", "") // it is written as a space
			}
			if got := tok.Decode(tok.Encode(s)); got != s {
				t.Fatalf("%s: %q became %q", name, s, got)
			}
		})
	}
}

func TestEncodeAtMostOfEveryFamilyGivesAPrefix(t *testing.T) {
	texts := readVectors(t).Texts
	for name, tok := range familyTokenizers(t) {
		rapid.Check(t, func(t *rapid.T) {
			s := drawText(t, texts)
			all := tok.Encode(s)
			limit := rapid.IntRange(0, len(all)+1).Draw(t, "limit")
			got, whole := tok.EncodeAtMost([]int32{-7}, s, limit)
			want := append([]int32{-7}, all[:min(limit, len(all))]...)
			if !slices.Equal(got, want) || whole != (limit >= len(all)) {
				t.Fatalf("%s: %q, limit %d: got %v, %v; want %v of %v", name, s, limit, got, whole, want, all)
			}
		})
	}
}

// Llama 2's text is one word to its file. Cutting it first must change nothing;
// nor may the memory of words, or which of the two ways of merging is taken.
func TestCuttingAtMarksChangesNoToken(t *testing.T) {
	texts := readVectors(t).Texts
	toks := familyTokenizers(t)
	for _, name := range []string{"llama2", "mistral", "metaspace"} {
		tok := toks[name]
		last := len(tok.stages) - 1
		if cut, ok := tok.stages[last].(markStage); !ok || !cut.runs {
			t.Fatalf("%s is not cut at marks", name)
		}
		rapid.Check(t, func(t *rapid.T) {
			s := drawText(t, texts) + drawText(t, texts)
			var whole []int32
			tok.words(tok.stages[:last], tok.normalize(" "+s), true, func(w string) bool {
				whole = tok.mergeWord(whole, new(scratch), w)
				return true
			})
			var cut []int32
			tok.words(tok.stages, tok.normalize(" "+s), true, func(w string) bool {
				cut = tok.encodeWord(cut, new(scratch), w)
				return true
			})
			if !slices.Equal(cut, whole) {
				t.Fatalf("%s: %q gives %v cut, %v whole", name, s, cut, whole)
			}
		})
	}
	if across := toks["across"]; len(across.stages) > 0 {
		t.Error("a vocabulary with merges across spaces is cut at them")
	}
}

// Words are cut at seams, and runes begin as one symbol, only where merging byte
// by byte gives the same tokens.
func TestSeamsChangeNoToken(t *testing.T) {
	texts := readVectors(t).Texts
	cuts, runes := 0, 0
	plains := familyTokenizers(t)
	for name, tok := range familyTokenizers(t) {
		plain := plains[name]
		plain.seams = nil
		if tok.seams == nil {
			continue
		}
		rapid.Check(t, func(t *rapid.T) {
			s := drawText(t, texts) + drawText(t, texts)
			if s == "" {
				return
			}
			if tok.seams.cut(s) < len(s) {
				cuts++
			}
			if tok.byteLevel && len(tok.symbols(new(scratch), s).ids) < len(s) {
				runes++
			}
			got := tok.encodeWord(nil, new(scratch), s)
			if id, ok := tok.whole[s]; ok {
				if !slices.Equal(got, []int32{id}) {
					t.Fatalf("%s: %q gives %v, want %d", name, s, got, id)
				}
				return
			}
			if want := byDefinition(tok, slices.Clone(plain.symbols(new(scratch), s).ids)); !slices.Equal(got, want) {
				t.Fatalf("%s: %q gives %v, want %v", name, s, got, want)
			}
		})
	}
	if cuts == 0 || runes == 0 {
		t.Errorf("%d texts were cut, %d had runes for symbols: nothing was tested", cuts, runes)
	}
}

// Long words go through a heap, which must merge as searching does.
func TestLongWordsMergeAsShortOnesDo(t *testing.T) {
	for name, tok := range familyTokenizers(t) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 40 {
			var w strings.Builder
			for range shortWord + r.IntN(3*shortWord) {
				w.WriteString([]string{"a", "e", "h", "n", "r", "t", "th", "in", "日", "本", "▁", "▁t"}[r.IntN(12)])
			}
			s := new(scratch)
			if tok.byteLevel {
				tok.byteSymbols(s, w.String())
			} else {
				tok.runeSymbols(s, w.String())
			}
			want := byDefinition(tok, slices.Clone(s.ids))
			if got := tok.mergeLong(nil, s); !slices.Equal(got, want) {
				t.Fatalf("%s: %q gives %v, want %v", name, w.String(), got, want)
			}
		}
	}
}

// byDefinition merges the pair of lowest rank, leftmost, until none is left.
func byDefinition(tok *Tokenizer, ids []int32) []int32 {
	for {
		best, at := noMerge, -1
		for j := 1; j < len(ids); j++ {
			if m := tok.pairs.find(ids[j-1], ids[j]); m < best {
				best, at = m, j
			}
		}
		if at < 0 {
			return ids
		}
		ids[at-1] = tok.merged[best]
		ids = slices.Delete(ids, at, at+1)
	}
}

func TestALongWordIsNoAttackOnAnyFamily(t *testing.T) {
	for name, tok := range familyTokenizers(t) {
		for _, unit := range []string{"the", " ", "▁", "<mark>", "é", "\xff"} {
			s := strings.Repeat(unit, 1<<18/len(unit))
			start := time.Now()
			tok.Decode(tok.EncodeSpecial(s))
			if d := time.Since(start); d > 20*time.Second { // 0.1 s on an idle core; quadratic would be minutes
				t.Errorf("%s: %v for 256 KiB of %q", name, d, unit)
			}
		}
	}
}

func TestStripTakesFromBothEnds(t *testing.T) {
	tok, err := Parse([]byte(`{"model": {"vocab": {"_": 0, "a": 1}, "merges": []},
		"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "_", "start": 1, "stop": 2}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"": "", "_": "", "____": "_", "a": "a", "__a_a___": "_a_a_", "a_": "a"} {
		ids := tok.Encode(text)
		stream, joined := tok.NewStream(), ""
		for _, id := range ids {
			joined += stream.Next(id)
		}
		joined += stream.Flush()
		if got := tok.Decode(ids); got != want || joined != want {
			t.Errorf("%q is decoded to %q, streamed to %q, want %q", text, got, joined, want)
		}
	}
}

func FuzzEveryFamilyTakesAnyText(f *testing.F) {
	toks := familyTokenizers(f)
	f.Add(sampleText)
	f.Add("\xff\xfe \xc3(<|end|>\x00▁▁<0x41>[MASK]  foo")
	f.Fuzz(func(t *testing.T, s string) {
		for name, tok := range toks {
			ids := tok.EncodeDocument(s)
			for _, id := range ids {
				if id < 0 || int(id) >= tok.Size() {
					t.Fatalf("%s: %q gives token %d of %d", name, s, id, tok.Size())
				}
			}
			got := tok.Decode(tok.Encode(s))
			if tok.byteLevel && tok.norm == nil && name != "prefix" && got != s {
				t.Fatalf("%s: %q became %q", name, s, got)
			}
		}
	})
}
