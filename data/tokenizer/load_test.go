package tokenizer

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testdata/digits.json was trained and saved by this package; testdata/vectors.py
// lets the reference implementation encode with it.
func TestTrainingGivesTheFileThatTheVectorsUse(t *testing.T) {
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
	split := `"pretokenizers": [`
	post, decoder := `"post_processor": null`, `"decoder": {"type": "ByteLevel"`
	for _, c := range []struct{ old, new, want string }{
		{`"type": "BPE"`, `"type": "Unigram"`, `model "Unigram"`},
		{`"normalizer": null`, `"normalizer": {"type": "Precompiled"}`, `normalizer "Precompiled"`},
		{`"normalizer": null`, `"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Nmt"}]}`, `normalizer "Nmt"`},
		{`"normalizer": null`, `"normalizer": {"type": "Replace", "content": "x"}`, `Replace without a pattern`},
		{`"normalizer": null`, `"normalizer": {"type": "Replace", "content": "x", "pattern": {"Regex": "("}}`, `normalizer Replace: the pattern "("`},
		{post, `"post_processor": {"type": "RobertaProcessing"}`, `post_processor "RobertaProcessing"`},
		{post, `"post_processor": {"type": "TemplateProcessing"}`, `single has no text`},
		{post, `"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A"}}, {"Sequence": {"id": "A"}}]}`, `not one text`},
		{decoder, `"decoder": {"type": "WordPiece"`, `decoder "WordPiece"`},
		{decoder, `"decoder": null, "x": {"type": "ByteLevel"`, "decoder is missing"},
		{decoder, `"decoder": {"type": "Metaspace", "replacement": "ab"`, `decoder Metaspace with replacement "ab"`},
		{decoder, `"decoder": {"type": "Strip", "content": " "`, "Strip not once after Fuse"},
		{decoder, `"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteLevel"}]`, `decoder "ByteLevel" after`},
		{split, split + `{"type": "BertPreTokenizer"},`, `pre_tokenizer "BertPreTokenizer"`},
		{split, split + `{"type": "ByteLevel"},`, `pre_tokenizer "Split" after ByteLevel`},
		{split, split + `{"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"},`, `prepend_scheme "last"`},
		{split, split + `{"type": "Punctuation", "behavior": "Odd"},`, `Punctuation with behavior "Odd"`},
		{`"Isolated"`, `"Other"`, `Split with behavior "Other"`},
		{`\\p{N}|`, `\\p{N}{1,3}+|`, `the repeated repetition }+`},
		{`\\p{N}|`, `[\\p{N}&&[0-9]]|`, `a set inside a set`},
		{`\\p{N}|`, `\\h|`, `has \h`},
		{`"dropout": null`, `"dropout": 0.1`, "dropout"},
		{`"end_of_word_suffix": null`, `"end_of_word_suffix": "</w>"`, "end_of_word_suffix"},
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
		{`"a": 100`, `"a": 99999`, "gaps"},
		{`"a": 100`, `"a": -7`, `"a" has id -7`},
		{`"a": 100`, `"a": 101`, "share id"},
		{`"id": 1,`, `"id": 2,`, `"<|eos|>" has id 2, but 1`},
		{`"content": "<|eos|>"`, `"content": "<|bos|>"`, `"<|bos|>" is empty or listed twice`},
		{`"merges": [`, `"merges": ["ab",`, "not two tokens"},
		{`"merges": [`, `"merges": [["a","b","c"],`, "not two tokens"},
		{`"merges": [`, `"merges": [["q","q"],`, `"qq" is not in the vocabulary`},
		{`"unk_token": null`, `"unk_token": "<unk>"`, `unk_token "<unk>" is not in the vocabulary`},
		{`"post_processor": null`, `"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}]}`, `names "x"`},
		{`"post_processor": null`, `"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "x"}}], "special_tokens": {"x": {"ids": [300]}}}`, `"x" has id 300`},
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

func TestALoadedFileIsSavedByteForByte(t *testing.T) {
	for _, f := range readVectors(t).Families {
		tok, err := Parse(f.File)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tok.JSON(), f.File) {
			t.Errorf("%s: the file changes", f.Name)
		}
	}
}

// A byte without a token is dropped, and an id without a token is nothing: so
// does the reference, and published files have both.
func TestVocabulariesMayHaveGaps(t *testing.T) {
	tok, err := Parse([]byte(`{"decoder": {"type": "ByteLevel"}, "pre_tokenizer": {"type": "ByteLevel", "use_regex": false},
		"model": {"vocab": {"a": 0, "b": 5, "ab": 9}, "merges": ["a b"]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := tok.Encode("zabaz"); !slices.Equal(got, []int32{9, 0}) {
		t.Errorf("got %v", got)
	}
	if got := tok.Decode([]int32{5, 3, 0}); got != "ba" || tok.Size() != 10 {
		t.Errorf("decoded %q of %d tokens", got, tok.Size())
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add(trained(f, 265).JSON())
	f.Add([]byte(`{"decoder":{"type":"ByteLevel"},"pre_tokenizer":{"type":"ByteLevel"},"added_tokens":[{"id":-1,"content":"x","special":true}]}`))
	f.Add([]byte(`null`))
	f.Add([]byte(`{"decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":2}]},
		"normalizer":{"type":"Replace","pattern":{"Regex":"a*"},"content":""},"pre_tokenizer":{"type":"Metaspace","replacement":"▁"},
		"model":{"unk_token":"a","byte_fallback":true,"vocab":{"a":0,"<0x41>":1,"▁":2,"▁a":3},"merges":["▁ a"]},
		"added_tokens":[{"id":9,"content":" a","lstrip":true,"rstrip":true,"single_word":true,"normalized":true}]}`))
	f.Add([]byte(`{"decoder":{"type":"Metaspace","replacement":"▁"},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Whitespace"},
		{"type":"Split","pattern":{"Regex":"(?=x)|$"},"behavior":"MergedWithNext"},{"type":"Digits"},{"type":"Punctuation"}]},"model":{"vocab":{"":0}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tok, err := Parse(b)
		if err != nil {
			return
		}
		s := "any \xff text ▁a a\n\t1" + string(b[:min(len(b), 40)])
		ids := tok.EncodeDocument(s)
		stream, joined := tok.NewStream(), ""
		for _, id := range ids {
			joined += stream.Next(id)
		}
		if joined += stream.Flush(); joined != tok.Decode(ids) {
			t.Fatalf("streamed %q, decoded %q", joined, tok.Decode(ids))
		}
	})
}
