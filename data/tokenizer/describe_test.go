package tokenizer

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

func TestEveryFamilyIsDescribedByItsName(t *testing.T) {
	type short struct {
		kind       Kind
		split      Split
		normalizer string
		space, bos bool
	}
	want := map[string]short{
		"gpt2":      {ByteLevelBPE, SplitGPT2, "", false, false},
		"prefix":    {ByteLevelBPE, SplitGPT2, "", true, false},
		"llama3":    {ByteLevelBPE, SplitLlama3, "", false, true},
		"qwen2":     {ByteLevelBPE, SplitQwen2, "NFC", false, false},
		"o200k":     {ByteLevelBPE, SplitO200K, "", false, false},
		"tekken":    {ByteLevelBPE, SplitTekken, "", false, true},
		"digits":    {ByteLevelBPE, SplitDigitsGPT2, "", false, false},
		"trained":   {ByteLevelBPE, SplitOther, "", false, false},
		"regex":     {ByteLevelBPE, SplitOther, "", false, false},
		"llama2":    {SentencePieceBPE, SplitNone, "", true, true},
		"mistral":   {SentencePieceBPE, SplitNone, "", true, true},
		"metaspace": {SentencePieceBPE, SplitNone, "", true, true},
		"across":    {OtherBPE, SplitNone, "", true, false},
		"lower":     {OtherBPE, SplitOther, "NFKD,StripAccents,Lowercase,NFKC,Strip", false, false},
	}
	toks := familyTokenizers(t)
	for name, w := range want {
		d := toks[name].Describe()
		if got := (short{d.Kind, d.Split, d.Normalizer, d.AddSpacePrefix, d.AddBOS}); got != w {
			t.Errorf("%s: got %+v, want %+v", name, got, w)
		}
	}
	if len(toks) != len(want) {
		t.Errorf("%d families, %d described", len(toks), len(want))
	}
}

// A description must hold all that merging needs: by its lists alone the words
// of the vectors become the tokens that the tokenizer gives.
func TestADescriptionMergesAsItsTokenizerDoes(t *testing.T) {
	for name, tok := range familyTokenizers(t) {
		d := tok.Describe()
		if d.Kind == OtherBPE || len(d.Tokens) != tok.Size() || len(d.Types) != tok.Size() {
			if d.Kind != OtherBPE {
				t.Errorf("%s: %d tokens and %d types, want %d", name, len(d.Tokens), len(d.Types), tok.Size())
			}
			continue
		}
		ids, rank := map[string]int32{}, map[string]int{}
		for id, s := range d.Tokens {
			ids[s] = int32(id)
		}
		for r, m := range d.Merges {
			rank[m] = r
		}
		for _, word := range strings.Fields(sampleText) {
			var symbols []string
			for i, r := range word {
				if d.Kind == SentencePieceBPE {
					symbols = append(symbols, string(r))
				} else {
					symbols = append(symbols, strings.Split(toAlphabet(word[i:i+len(string(r))]), "")...)
				}
			}
			if slices.ContainsFunc(symbols, func(s string) bool { _, ok := ids[s]; return !ok }) {
				continue // a rune to fall back on bytes for
			}
			for {
				best, at := len(rank), -1
				for i := 1; i < len(symbols); i++ {
					if r, ok := rank[symbols[i-1]+" "+symbols[i]]; ok && r < best {
						best, at = r, i
					}
				}
				if at < 0 {
					break
				}
				symbols[at-1] += symbols[at]
				symbols = slices.Delete(symbols, at, at+1)
			}
			var got []int32
			for _, s := range symbols {
				got = append(got, ids[s])
			}
			if want := tok.mergeWord(nil, new(scratch), word); !slices.Equal(got, want) && !d.IgnoreMerges {
				t.Errorf("%s: %q: got %v, want %v", name, word, got, want)
			}
		}
	}
}

func TestTypesAndScoresAreThoseOfSentencePiece(t *testing.T) {
	const file = `{"added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true}, {"id": 8, "content": "<x>"}],
	  "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
	  "decoder": {"type": "Fuse"}, "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}],
	  "special_tokens": {"<s>": {"ids": [1]}}},
	  "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "merges": MERGES,
	  "vocab": {"<unk>": 0, "<s>": 1, "<0x0A>": 2, "▁": 3, "a": 4, "▁a": 5, "aa": 6, "▁aa": 10}}}`
	for merges, decide := range map[string]bool{
		`["▁ a", "a a", "▁ aa", "▁a a"]`: true,
		`["▁ a", "a a", "▁a a"]`:         false, // one way is missing
		`["▁ aa", "a a", "▁ a", "▁a a"]`: false, // ▁aa goes before and after others
	} {
		tok, err := Parse([]byte(strings.Replace(file, "MERGES", merges, 1)))
		if err != nil {
			t.Fatal(err)
		}
		d := (&Folder{Tokenizer: tok, BOS: -1, EOS: 6, Pad: -1, Unk: -1, ChatTemplate: "{{ x }}"}).Describe()
		types := []TokenType{UnknownToken, ControlToken, ByteToken, NormalToken, NormalToken, NormalToken, NormalToken, UnusedToken, UserToken, UnusedToken, NormalToken}
		if !slices.Equal(d.Types, types) {
			t.Errorf("types %v, want %v", d.Types, types)
		}
		if d.ScoresDecide != decide {
			t.Errorf("%s: scores decide: %v, want %v", merges, d.ScoresDecide, decide)
		}
		if d.BOS != 1 || d.EOS != 6 || d.Unk != 0 || d.Pad != -1 || !d.AddBOS || d.AddEOS || d.ChatTemplate != "{{ x }}" {
			t.Errorf("got %+v", d)
		}
		if want := []float32{0, 0, 0, -4, -4, 0, -1, 0, 0, 0, -2}; decide && !slices.Equal(d.Scores, want) {
			t.Errorf("scores %v, want %v", d.Scores, want)
		}
	}
}

func TestATrainedTokenizerIsDescribedWithItsNames(t *testing.T) {
	tok := trained(t, 300)
	f, err := LoadFolder(fstest.MapFS{File: &fstest.MapFile{Data: tok.JSON()}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []Description{tok.Describe(), f.Describe()} {
		if d.BOS != 0 || d.EOS != 1 || d.Pad != 2 || d.Unk != -1 || d.AddBOS || len(d.Merges) != 300-firstWord || d.Tokens[firstByte+' '] != "Ġ" || d.Scores != nil {
			t.Errorf("got %+v", d)
		}
	}
}

func TestRealTokenizersAreDescribed(t *testing.T) {
	dir := os.Getenv("STILLHOUSE_REAL")
	if dir == "" {
		t.Skip("STILLHOUSE_REAL is not set: no folder with stories260k and tokenizers")
	}
	f, err := LoadFolder(os.DirFS(filepath.Join(dir, "stories260k")))
	if err != nil {
		t.Fatal(err)
	}
	d := f.Describe()
	if d.Kind != SentencePieceBPE || !d.AddBOS || d.BOS != 1 || d.EOS != 2 || !d.AddSpacePrefix || !d.ScoresDecide || d.Types[3] != ByteToken {
		t.Errorf("stories260k: %v %v, %+v", d.Kind, d.ScoresDecide, d.Types[:8])
	}
	tok, err := Load(filepath.Join(dir, "tokenizers/gpt2/tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	d = tok.Describe()
	if d.Kind != ByteLevelBPE || d.Split != SplitGPT2 || len(d.Tokens) != 50257 || len(d.Merges) != 50000 || d.Merges[0] != "Ġ t" || d.Types[50256] != ControlToken {
		t.Error("gpt2: " + strconv.Quote(d.Merges[0]))
	}
}
