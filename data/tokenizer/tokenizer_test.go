package tokenizer

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// sampleText has what the scanner tells apart: code, prose, numbers, other
// scripts, odd blanks.
var sampleText = strings.Repeat(`package main

import "fmt"

// main prints the sum of the first numbers.
func main() {
	sum := 0
	for i := 0; i < 128; i++ {
		if i%2 == 0 {
			sum += i
		}
	}
	fmt.Println("sum:", sum)   // 4032
}

The quick brown fox doesn't jump over the lazy dog; it's 10 o'clock.
Fête à Zürich, 日本語のテキスト, Привет мир — ½ of ٣.
`, 3)

func trained(t testing.TB, size int) *Tokenizer {
	t.Helper()
	tok, err := Train(slices.Values([]string{sampleText}), TrainOptions{VocabSize: size})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestTrainingTwiceGivesTheSameFileWhateverTheOrderOfTexts(t *testing.T) {
	texts := strings.SplitAfter(sampleText, "\n\n")
	opt := TrainOptions{VocabSize: 340}
	a, err := Train(slices.Values(texts), opt)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(texts)
	b, err := Train(slices.Values(texts), opt)
	if err != nil {
		t.Fatal(err)
	}
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("two trainings on the same texts differ")
	}
	if a.Size() != 340 {
		t.Errorf("vocabulary of %d, want 340", a.Size())
	}
}

func TestTrainingMergesTheMostFrequentPairFirst(t *testing.T) {
	tok, err := Train(slices.Values([]string{"abab abab cd cd cd cd cd"}), TrainOptions{VocabSize: 262})
	if err != nil {
		t.Fatal(err)
	}
	// " c" and "cd" occur 5 and 5 times with " c" of smaller ids: " c", then
	// " cd"; then "ab", 4 times in "abab" and " abab".
	want := []string{" c", " cd", "ab"}
	if got := tok.tokens[firstWord:]; !slices.Equal(got, want) {
		t.Errorf("merged %q, want %q", got, want)
	}
}

// The trainer updates counts around each merge; counting everything anew at
// every step must choose the same merges.
func TestTrainingEqualsCountingAnew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.StringMatching(`[abc]{1,9}`), 1, 30).Draw(t, "words"), " ")
		tok, err := Train(slices.Values([]string{text}), TrainOptions{VocabSize: 275})
		if err != nil {
			t.Fatal(err)
		}
		if want := naiveMerges(text, 275); !slices.Equal(tok.ranked, want) {
			t.Fatalf("merges %v, want %v", tok.ranked, want)
		}
	})
}

func naiveMerges(text string, size int) []pair {
	base := bare()
	ids := map[string]int32{}
	for i, s := range base.tokens {
		ids[s] = int32(i)
	}
	var words [][]int32
	for text != "" {
		n := chooseScanner(Pattern)(text)
		var w []int32
		for i := range n {
			w = append(w, base.byteID[text[i]])
		}
		words, text = append(words, w), text[n:]
	}
	var merges []pair
	for len(base.tokens) < size {
		counts := map[pair]int{}
		for _, w := range words {
			for j := 1; j < len(w); j++ {
				counts[pair{w[j-1], w[j]}]++
			}
		}
		var best pair
		for p, n := range counts {
			if n > counts[best] || n == counts[best] && p.compare(best) < 0 {
				best = p
			}
		}
		if counts[best] < 2 {
			break
		}
		merged := base.tokens[best.left] + base.tokens[best.right]
		if _, ok := ids[merged]; !ok {
			ids[merged] = int32(len(base.tokens))
			base.tokens = append(base.tokens, merged)
		}
		for i := range words {
			words[i] = replacePair(words[i], best, ids[merged])
		}
		merges = append(merges, best)
	}
	return merges
}

func TestDecodeIsTheInverseOfEncodeOnAnyBytes(t *testing.T) {
	tok := trained(t, 400)
	rapid.Check(t, func(t *rapid.T) {
		s := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		if got := tok.Decode(tok.Encode(s)); got != s {
			t.Fatalf("%q became %q", s, got)
		}
	})
}

func FuzzDecodeOfEncodeIsTheText(f *testing.F) {
	tok := trained(f, 400)
	f.Add(sampleText)
	f.Add("\xff\xfe \xc3(<|eos|>\x00")
	f.Fuzz(func(t *testing.T, s string) {
		ids := tok.Encode(s)
		if got := tok.Decode(ids); got != s {
			t.Fatalf("%q became %q", s, got)
		}
		for _, id := range ids {
			if tok.IsSpecial(id) {
				t.Fatalf("%q encodes to the special token %q", s, tok.Token(id))
			}
		}
	})
}

// The heap must merge as the definition says: the lowest rank, leftmost, until
// no pair is left.
func TestEncodeEqualsMergingByTheDefinition(t *testing.T) {
	tok := trained(t, 420)
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`( ?[a-fnmiprtu]{1,40}|[=:+"();]{1,9}|\n\t{0,4})`).Draw(t, "word")
		var ids []int32
		for i := range len(word) {
			ids = append(ids, tok.byteID[word[i]])
		}
		ids = byDefinition(tok, ids)
		if got := tok.mergeWord(nil, new(scratch), word); !slices.Equal(got, ids) {
			t.Fatalf("%q gives %v, want %v", word, got, ids)
		}
	})
}

func TestEveryDigitIsOneToken(t *testing.T) {
	tok := trained(t, 400)
	text := "0123456789 x42=1234567"
	for _, id := range tok.Encode(text) {
		if s := tok.Token(id); strings.ContainsAny(s, "0123456789") && len(s) != 1 {
			t.Errorf("token %q holds a digit and more", s)
		}
	}
}

func TestEncodeAtMostGivesAPrefixOfEncode(t *testing.T) {
	tok := trained(t, 400)
	all := tok.Encode(sampleText)
	for _, limit := range []int{0, 1, 2, 7, 100, len(all) - 1, len(all), len(all) + 1} {
		got, whole := tok.EncodeAtMost([]int32{-7}, sampleText, limit)
		want := append([]int32{-7}, all[:min(limit, len(all))]...)
		if !slices.Equal(got, want) || whole != (limit >= len(all)) {
			t.Errorf("limit %d: %d tokens, whole %v; want %d of %d", limit, len(got)-1, whole, len(want)-1, len(all))
		}
	}
}

func TestNamesOfSpecialTokensAreTextUnlessMeant(t *testing.T) {
	tok := trained(t, 300)
	text := "a<|eos|>b<|bos|>"
	bos, _ := tok.Special(BOS)
	eos, ok := tok.Special(EOS)
	if !ok || !tok.IsSpecial(eos) {
		t.Fatal("no <|eos|>")
	}
	if ids := tok.Encode(text); slices.Contains(ids, eos) {
		t.Error("Encode made a special token of text")
	}
	want := []int32{tok.byteID['a'], eos, tok.byteID['b'], bos}
	got := tok.EncodeSpecial(text)
	if !slices.Equal(got, want) {
		t.Errorf("EncodeSpecial gives %v, want %v", got, want)
	}
	if tok.Decode(got) != text {
		t.Errorf("decoded to %q", tok.Decode(got))
	}
	if _, ok := tok.Special("<|user|>"); ok {
		t.Error("found a special token that does not exist")
	}
}

func TestStreamNeverCutsARuneAndLosesNothing(t *testing.T) {
	tok := trained(t, 260)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "valid")
		if rapid.Bool().Draw(t, "raw") {
			s = string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
		}
		stream := tok.NewStream()
		var joined string
		for _, id := range tok.Encode(s) {
			part := stream.Next(id)
			if utf8.ValidString(s) && !utf8.ValidString(part) {
				t.Fatalf("part %q of %q is cut inside a rune", part, s)
			}
			joined += part
		}
		if joined += stream.Flush(); joined != s {
			t.Fatalf("joined %q, want %q", joined, s)
		}
	})
}

func TestIDsOutsideTheVocabularyDecodeToTheReplacementRune(t *testing.T) {
	tok := trained(t, 260)
	if got := tok.Decode([]int32{-1, int32(tok.Size()), tok.byteID['a']}); got != "\uFFFD\uFFFDa" {
		t.Errorf("got %q", got)
	}
}

func TestAMegabyteWithoutASpaceIsNoAttack(t *testing.T) {
	tok := trained(t, 400)
	for _, s := range []string{
		strings.Repeat("a", 1<<20), strings.Repeat("\n ", 1<<19), strings.Repeat(" ", 1<<20), strings.Repeat("(", 1<<20),
	} {
		start := time.Now()
		if tok.Decode(tok.Encode(s)) != s {
			t.Fatal("not the identity")
		}
		if d := time.Since(start); d > 20*time.Second { // 0.3 s on an idle core; quadratic would be hours
			t.Errorf("%v for a megabyte of %q", d, s[:2])
		}
	}
}

func TestATokenizerIsSharedByGoroutines(t *testing.T) {
	tok := trained(t, 400)
	want := tok.Encode(sampleText)
	done := make(chan bool)
	for range 4 {
		go func() { done <- slices.Equal(tok.Encode(sampleText), want) }()
	}
	for range 4 {
		if !<-done {
			t.Error("a goroutine got other tokens")
		}
	}
}

func TestTooSmallAVocabularyIsAnError(t *testing.T) {
	_, err := Train(slices.Values([]string{"a"}), TrainOptions{VocabSize: 256})
	if err == nil || !strings.Contains(err.Error(), "at least 259") {
		t.Errorf("got %v", err)
	}
}

func TestTooLargeAVocabularyIsAnError(t *testing.T) {
	if _, err := Train(slices.Values([]string{"a"}), TrainOptions{VocabSize: mostIDs + 1}); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("got %v", err)
	}
}

// The table packs ids and ranks: the largest must come out as they went in.
func TestThePairTableHoldsTheLargestIDs(t *testing.T) {
	const top = mostIDs - 1
	ranked := []pair{{0, 0}, {top, top}, {0, top}, {top, 0}, {top, top}}
	table := newPairTable(ranked)
	for p, want := range map[pair]merge{{0, 0}: 0, {top, top}: 4, {0, top}: 2, {top, 0}: 3, {1, 1}: noMerge, {top, 1}: noMerge} {
		if got := table.find(p.left, p.right); got != want {
			t.Errorf("%v: got %d, want %d", p, got, want)
		}
	}
}
