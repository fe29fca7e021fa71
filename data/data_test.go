package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stillhouse/data/tokenizer"
)

// byteTokenizer has no merges but "ab": a token is a byte.
func byteTokenizer(t testing.TB) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.Train(slices.Values([]string{"ab ab"}), tokenizer.TrainOptions{VocabSize: 260})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// proseTokenizer is trained on what the endless sources give.
func proseTokenizer(t testing.TB, size int) *tokenizer.Tokenizer {
	t.Helper()
	texts, err := Sample(mixed(), 1<<18)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokenizer.Train(slices.Values(texts), tokenizer.TrainOptions{VocabSize: size})
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func mixed() Config {
	return Config{
		Sources: []SourceConfig{
			{Source: "prose", Weight: 2},
			{Source: "task:recall", Weight: 1},
			{Source: "task:arithmetic", Weight: 1, Params: map[string]int{"max_steps": 3}},
		},
		SequenceLen: 64, Packing: true, LossOn: Completion, Seed: 1,
	}
}

// write puts files into a new folder and returns it.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, cfg Config, tok *tokenizer.Tokenizer) *Loader {
	t.Helper()
	l, err := Open(cfg, tok)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func rows(t testing.TB, l *Loader, s Split, first int64, n int) *Batch {
	t.Helper()
	b, err := l.Rows(s, first, n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// show writes a row in one line a slice, for tests by eye: tokens as their text,
// "." for no label, padding as "_".
func show(l *Loader, b *Batch, i int) string {
	var tokens, labels, start, mask strings.Builder
	sign := func(id int32) string {
		switch id {
		case -1:
			return "."
		case l.bos:
			return "<"
		case l.eos:
			return ">"
		case l.pad:
			return "_"
		}
		return l.tok.Token(id)
	}
	for t := i * b.T; t < (i+1)*b.T; t++ {
		tokens.WriteString(sign(b.Tokens[t]))
		labels.WriteString(sign(b.Labels[t]))
		fmt.Fprintf(&start, "%x", b.Start[t])
		fmt.Fprintf(&mask, "%g", b.Mask[t])
	}
	return tokens.String() + "\n" + labels.String() + "\n" + start.String() + "\n" + mask.String()
}
