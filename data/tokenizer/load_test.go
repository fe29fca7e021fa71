package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testdata/digits.json was trained and saved by this package (see
// TestTheFileOfTheGoldensIsReproduced); testdata/gpt2.json was trained and saved
// by Hugging Face tokenizers 0.23.3, which also encoded the texts of golden.json
// with both:
//
//	from tokenizers import Tokenizer, models, pre_tokenizers, decoders, trainers
//	import json, random
//	text = open("sample.txt").read()  # sampleText of tokenizer_test.go
//	tok = Tokenizer(models.BPE())
//	tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
//	tok.decoder = decoders.ByteLevel()
//	tok.train_from_iterator([text], trainers.BpeTrainer(vocab_size=400, min_frequency=2,
//	    special_tokens=["<|eos|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
//	tok.save("gpt2.json")
//	random.seed(1)
//	parts = ["a", "Zz", "é", "日本", "\u0301", "1", "23", "½", "٣", " ", "  ", "\t", "\n", "\r\n",
//	    "\u00a0", "\u2028", "\u3000", "\x0b", "\x85", "\x00", "\x1c", "_", "(", "+=", "'s", "'ll", "—", "😀", "\u200b"]
//	texts = [text, "", " "] + ["".join(random.choices(parts, k=random.randint(1, 12))) for _ in range(600)]
//	golden = [{"text": t, "digits": Tokenizer.from_file("digits.json").encode(t).ids, "gpt2": tok.encode(t).ids} for t in texts]
//	json.dump(golden, open("golden.json", "w"), ensure_ascii=True, separators=(",", ":"))
type golden struct {
	Text         string
	Digits, GPT2 []int32
}

func TestEncodeEqualsHuggingFaceTokenizers(t *testing.T) {
	b, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []golden
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	digits, err := Load("testdata/digits.json")
	if err != nil {
		t.Fatal(err)
	}
	gpt2, err := Load("testdata/gpt2.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 600 {
		t.Fatalf("%d cases", len(cases))
	}
	for _, c := range cases {
		if got := digits.Encode(c.Text); !slices.Equal(got, c.Digits) {
			t.Errorf("digits: %q gives %v, want %v", c.Text, got, c.Digits)
		}
		if got := gpt2.Encode(c.Text); !slices.Equal(got, c.GPT2) {
			t.Errorf("gpt2: %q gives %v, want %v", c.Text, got, c.GPT2)
		}
	}
}

func TestTheFileOfTheGoldensIsReproduced(t *testing.T) {
	want, err := os.ReadFile("testdata/digits.json")
	if err != nil {
		t.Fatal(err)
	}
	if got := trained(t, 400).JSON(); !bytes.Equal(got, want) {
		t.Error("training and saving give another file than testdata/digits.json")
	}
}

func TestSaveAndLoadGiveTheSameTokenizer(t *testing.T) {
	tok := trained(t, 400)
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	if err := tok.Save(path); err != nil {
		t.Fatal(err)
	}
	back, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(back.JSON(), tok.JSON()) {
		t.Error("the file changes when it is read and written again")
	}
	if !slices.Equal(back.Encode(sampleText), tok.Encode(sampleText)) {
		t.Error("the loaded tokenizer encodes differently")
	}
}

// The published GPT-2 tokenizer and llama.cpp's test vectors for it are not
// ours to carry: STILLHOUSE_REAL names the folder that holds them.
func TestGPT2EncodesTheVectorsOfLlamaCpp(t *testing.T) {
	dir := os.Getenv("STILLHOUSE_REAL")
	if dir == "" {
		t.Skip("STILLHOUSE_REAL is not set: no folder with tokenizers/gpt2/tokenizer.json")
	}
	tok, err := Load(filepath.Join(dir, "tokenizers/gpt2/tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(dir, "tokenizers/vectors/ggml-vocab-gpt-2.gguf")
	in, err := os.ReadFile(base + ".inp")
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Open(base + ".out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	lines := bufio.NewScanner(out)
	for _, text := range strings.Split(string(in), "\n__ggml_vocab_test__\n") {
		if !lines.Scan() {
			break
		}
		var want []int32
		for f := range strings.FieldsSeq(lines.Text()) {
			id, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, int32(id))
		}
		if got := tok.Encode(text); !slices.Equal(got, want) {
			t.Errorf("%q gives %v, want %v", text, got, want)
		}
	}
}

func TestOtherPipelinesAreRefusedByName(t *testing.T) {
	good := string(trained(t, 300).JSON())
	for _, c := range []struct{ old, new, want string }{
		{`"type": "BPE"`, `"type": "Unigram"`, `model "Unigram"`},
		{`"normalizer": null`, `"normalizer": {"type": "NFC"}`, `normalizer "NFC"`},
		{`"post_processor": null`, `"post_processor": {"type": "TemplateProcessing"}`, `post_processor "TemplateProcessing"`},
		{`"decoder": {"type": "ByteLevel"`, `"decoder": {"type": "Metaspace"`, "decoder is not ByteLevel"},
		{`"pre_tokenizer": {"type": "Sequence"`, `"pre_tokenizer": {"type": "Metaspace"`, `pre_tokenizer "Metaspace"`},
		{`"Isolated"`, `"Removed"`, `Split with behavior "Removed"`},
		{`\\p{N}|`, `\\p{N}{1,3}|`, `splits at " ?\\p{L}+|\\p{N}{1,3}|`},
		{`"byte_fallback": false`, `"byte_fallback": true`, "byte_fallback"},
		{`"ignore_merges": false`, `"ignore_merges": true`, "ignore_merges"},
		{`"dropout": null`, `"dropout": 0.1`, "dropout"},
		{`"end_of_word_suffix": null`, `"end_of_word_suffix": "</w>"`, "end_of_word_suffix"},
		{`"lstrip": false`, `"lstrip": true`, `added token "<|bos|>"`},
		{`"add_prefix_space": false, "trim_offsets": true, "use_regex": false}
  ]`, `"add_prefix_space": true, "trim_offsets": true, "use_regex": false}
  ]`, "add_prefix_space"},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("the file does not say %s", c.old)
		}
		_, err := Parse([]byte(strings.Replace(good, c.old, c.new, 1)))
		if !errors.Is(err, ErrPipeline) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%s: got %v, want an error with %q and a hint", c.new, err, c.want)
		}
	}
}

func TestDamagedFilesAreErrorsThatNameTheTrouble(t *testing.T) {
	good := string(trained(t, 300).JSON())
	for _, c := range []struct{ old, new, want string }{
		{good, "[]", "not a tokenizer.json"},
		{`"a": `, `"aaaa": `, "byte 0x61 has no token"},
		{`"a": 100`, `"a": 99999`, "no gap"},
		{`"a": 100`, `"a": 101`, "share id"},
		{`"a": 100`, `"日": 100`, "byte-level alphabet"},
		{`"id": 1,`, `"id": 2,`, `"<|eos|>" has id 2, but 1`},
		{`"content": "<|eos|>"`, `"content": "<|bos|>"`, `"<|bos|>" has id 1, but 0`},
		{`"merges": [`, `"merges": ["ab",`, "not two tokens"},
		{`"merges": [`, `"merges": [["q","q"],`, `"qq" is not in the vocabulary`},
	} {
		if !strings.Contains(good, c.old) {
			t.Fatalf("the file does not say %s", c.old)
		}
		_, err := Parse([]byte(strings.Replace(good, c.old, c.new, 1)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: got %v, want %q", c.new, err, c.want)
		}
	}
	if _, err := Load("testdata/missing.json"); err == nil || !strings.Contains(err.Error(), "missing.json") {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add(trained(f, 265).JSON())
	f.Add([]byte(`{"decoder":{"type":"ByteLevel"},"pre_tokenizer":{"type":"ByteLevel"},"added_tokens":[{"id":-1,"content":"x","special":true}]}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tok, err := Parse(b)
		if err != nil {
			return
		}
		if s := "any \xff text\n\t1"; tok.Decode(tok.Encode(s)) != s {
			t.Fatal("a file was accepted that does not give back the text")
		}
	})
}
