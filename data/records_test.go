package data

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"stillhouse/data/chat"
)

// turns frames each turn by <|bos|> and <|eos|>, which byteTokenizer has.
const turns = `{% for m in messages %}<|bos|>{{ m.role[0] }}:{{ m.content }}<|eos|>{% endfor %}{% if add_generation_prompt %}<|bos|>a:{% endif %}`

func template(t testing.TB, source string) *chat.Template {
	t.Helper()
	p, err := chat.Parse(source, "<|bos|>", "<|eos|>")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const talk = `{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"xy"},{"role":"user","content":"r"},{"role":"assistant","content":"z"}]}`

// counted returns the text of a row that the loss asks for, runs joined by |.
func counted(l *Loader, b *Batch, i int) string {
	var runs []string
	for _, p := range l.Pieces(b, i) {
		if p.Counted {
			runs = append(runs, p.Text)
		}
	}
	return strings.Join(runs, "|")
}

func TestTheLossOfAConversationCountsExactlyTheAssistantsText(t *testing.T) {
	for loss, want := range map[LossOn]string{
		Assistant:  "xy<|eos|>|z<|eos|>",
		Completion: "z<|eos|>",
		All:        "u:q<|eos|><|bos|>a:xy<|eos|><|bos|>u:r<|eos|><|bos|>a:z<|eos|>",
	} {
		cfg := Config{Sources: []SourceConfig{oneRecord(t, talk)}, SequenceLen: 24, LossOn: loss, Template: template(t, turns)}
		l := open(t, cfg, byteTokenizer(t))
		b := rows(t, l, Train, 0, 1)
		if got := counted(l, b, 0); got != want {
			t.Errorf("%s: got %q, want %q", loss, got, want)
		}
		text, err := cfg.Template.Render([]chat.Message{chat.Say("user", "q"), chat.Say("assistant", "xy"), chat.Say("user", "r"), chat.Say("assistant", "z")}, false)
		if err != nil {
			t.Fatal(err)
		}
		whole := l.tok.EncodeSpecial(text)
		if diff := cmp.Diff(whole, b.Tokens[:len(whole)]); diff != "" {
			t.Errorf("%s: the tokens are not those of the whole text: %s", loss, diff)
		}
		// A packed row goes on with the next conversation, which knows nothing of
		// this one, and is cut at the row's end.
		cfg.Packing = true
		l = open(t, cfg, byteTokenizer(t))
		b = rows(t, l, Train, 0, 1)
		n := len(whole)
		if b.Start[n] != int32(n) || b.Labels[n-1] != -1 || len(b.Spans) != 2 || b.Spans[0].Cut || !b.Spans[1].Cut {
			t.Errorf("%s: token %d starts at %d after label %d; spans %+v", loss, n, b.Start[n], b.Labels[n-1], b.Spans)
		}
	}
}

// A tokenizer may merge the last byte of a frame with the first of an answer; such
// a token is not the assistant's.
func TestATokenThatAFrameBeginsIsNotCounted(t *testing.T) {
	const joined = `{% for m in messages %}{{ m.content }}{% endfor %}`
	record := `{"messages":[{"role":"user","content":"xa"},{"role":"assistant","content":"bc"}]}`
	cfg := Config{Sources: []SourceConfig{oneRecord(t, record)}, SequenceLen: 4, LossOn: Assistant, Template: template(t, joined)}
	l := open(t, cfg, byteTokenizer(t)) // knows the token "ab"
	if got := counted(l, rows(t, l, Train, 0, 1), 0); got != "c" {
		t.Errorf("%q counts, want c", got)
	}
}

func TestBadRecordsAreFatalOrSkippedAndCounted(t *testing.T) {
	lines := []string{`{"text":"one"}`, `{"text":`, ``, `{"messages":[{"role":"user","content":"q"}]}`, `{"prompt":"p","completion":"c"}`, "\xff\xfe", `[1]`}
	dir := write(t, map[string]string{"d.jsonl": strings.Join(lines, "\n")})
	cfg := Config{Sources: []SourceConfig{{Path: dir + "/d.jsonl", Weight: 1}}, SequenceLen: 16, LossOn: All, Template: template(t, turns)}
	tok := byteTokenizer(t)
	if _, err := Open(cfg, tok); err == nil || !strings.Contains(err.Error(), "d.jsonl): line 2: not a JSON object") {
		t.Errorf("on_error fail: %v", err)
	}
	cfg.OnError, cfg.LossOn = Skip, Assistant
	l := open(t, cfg, tok)
	info := l.Sources()[0]
	if info.Documents != 2 || info.Bad != 4 || !strings.HasPrefix(info.FirstBad, "line 2: ") {
		t.Errorf("on_error skip: %+v, want 2 documents and 4 left out, the first at line 2", info)
	}
	if s, err := l.Stats(Train, 8); err != nil || s.Sources[0].Bad != 4 {
		t.Errorf("stats %+v, %v", s, err)
	}
	only := write(t, map[string]string{"d.jsonl": "{}\n{}\n"})
	cfg.Sources[0].Path = only + "/d.jsonl"
	if _, err := Open(cfg, tok); err == nil || !strings.Contains(err.Error(), "none of its 2 records") {
		t.Errorf("nothing but bad records: %v", err)
	}
}

func TestALineTooLongForMemoryIsABadRecord(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 65 MiB")
	}
	path := filepath.Join(t.TempDir(), "d.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, `{"text":"one"}`)
	chunk := bytes.Repeat([]byte("x"), 1<<20)
	for range longestRecord>>20 + 1 {
		if _, err := f.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Fprintf(f, "\n%s\n", `{"text":"three"}`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Sources: []SourceConfig{{Path: path, Weight: 1}}, SequenceLen: 16, LossOn: All}
	if _, err := Open(cfg, byteTokenizer(t)); err == nil || !strings.Contains(err.Error(), "line 2: longer than 64 MiB") {
		t.Errorf("got %v", err)
	}
	cfg.OnError = Skip
	l := open(t, cfg, byteTokenizer(t))
	if info := l.Sources()[0]; info.Documents != 2 || info.Bad != 1 {
		t.Errorf("%+v", info)
	}
	c := l.mix.sources[0].(*corpus)
	d, err := c.read(Train, 0, place{index: 1})
	if err != nil || d.Parts[0].Text != "three" {
		t.Errorf("the record after it is %+v, %v", d, err)
	}
}

func compress(t testing.TB, text string) string {
	t.Helper()
	e, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(e.EncodeAll([]byte(text), nil))
}

func TestCompressedFilesGiveTheRowsOfPlainOnes(t *testing.T) {
	var records, text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&records, "{\"prompt\":\"p%d\",\"completion\":\"c%d\"}\n", i, i)
		fmt.Fprintf(&text, "line %d of a text\n", i)
	}
	dir := write(t, map[string]string{
		"r.jsonl": records.String(), "r.jsonl.zst": compress(t, records.String()),
		"t.txt": text.String(), "t.txt.zst": compress(t, text.String()),
		"cut.jsonl.zst": compress(t, records.String())[:200],
	})
	tok := byteTokenizer(t)
	spool := t.TempDir()
	batch := func(name string) *Batch {
		l := open(t, Config{Sources: []SourceConfig{{Path: filepath.Join(dir, name), Weight: 1}}, SequenceLen: 40, Packing: true, LossOn: Completion, SpoolDir: spool}, tok)
		return rows(t, l, Train, 0, 32)
	}
	for _, name := range []string{"r.jsonl", "t.txt"} {
		if diff := cmp.Diff(batch(name), batch(name+".zst"), equal...); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	entries, err := os.ReadDir(spool)
	if err != nil || len(entries) != 2 {
		t.Errorf("unpacked %v, %v; want two files", entries, err)
	}
	_, err = Open(Config{Sources: []SourceConfig{{Path: filepath.Join(dir, "cut.jsonl.zst"), Weight: 1}}, SequenceLen: 8, LossOn: All, SpoolDir: spool}, tok)
	if err == nil || !strings.Contains(err.Error(), "not sound Zstandard data") {
		t.Errorf("a cut file: %v", err)
	}
	if entries, _ = os.ReadDir(spool); len(entries) != 2 {
		t.Errorf("a cut file left %v", entries)
	}
}

func TestAFolderOfRecordsIsReadAsOne(t *testing.T) {
	dir := write(t, map[string]string{"a.jsonl": talk + "\n", "sub/b.jsonl.zst": compress(t, talk+"\n{}\n"), "README.md": "no record\n"})
	cfg := Config{Sources: []SourceConfig{{Path: dir, Format: FormatMessages, Weight: 1}}, SequenceLen: 32, LossOn: Assistant, Template: template(t, turns), SpoolDir: t.TempDir()}
	if _, err := Open(cfg, byteTokenizer(t)); err == nil || !strings.Contains(err.Error(), "sub/b.jsonl.zst: line 2: no messages") {
		t.Errorf("got %v", err)
	}
	cfg.OnError = Skip
	if info := open(t, cfg, byteTokenizer(t)).Sources()[0]; info.Documents != 2 || info.Bad != 1 {
		t.Errorf("%+v", info)
	}
	cfg.Sources[0].Path = write(t, map[string]string{"a.txt": "x\n"})
	if _, err := Open(cfg, byteTokenizer(t)); err == nil || !strings.Contains(err.Error(), "no .jsonl, .ndjson or .parquet file") {
		t.Errorf("a folder without records: %v", err)
	}
}

// Reading rows of a file far larger than the cache must not hold the file.
func TestRowsOfALargeFileNeedLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 64 MB")
	}
	path := filepath.Join(t.TempDir(), "d.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("some words of a text ", 1000)
	for i := range 3000 {
		fmt.Fprintf(f, "{\"text\":\"%d %s\"}\n", i, text)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := open(t, Config{Sources: []SourceConfig{{Path: path, Weight: 1}}, SequenceLen: 64, Packing: true, LossOn: All, CacheBytes: 1 << 20}, byteTokenizer(t))
	for step := range 20 {
		if _, err := l.Batch(Train, step, 16); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap grew by %d bytes for a file of 63 MB and a cache of 1 MiB", grown)
	}
	runtime.KeepAlive(l)
}

func FuzzRecords(f *testing.F) {
	for _, s := range []string{`{"text":"a"}`, `{"prompt":"a","completion":"b"}`, talk, `{`, `{"messages":null}`, "{\"text\":\"a\"}\n\n{\"text\":3}", `{"messages":[{"role":"assistant","content":[1,{"a":2.5}]}]}`} {
		f.Add([]byte(s), "messages")
		f.Add([]byte(s), "")
	}
	tok := byteTokenizer(f)
	chatTemplate := template(f, turns)
	path := filepath.Join(f.TempDir(), "d.jsonl")
	f.Fuzz(func(t *testing.T, file []byte, format string) {
		if err := os.WriteFile(path, file, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, loss := range []LossOn{All, Completion, Assistant} {
			cfg := Config{Sources: []SourceConfig{{Path: path, Format: format, Weight: 1}}, SequenceLen: 8, Packing: true, LossOn: loss, Template: chatTemplate, OnError: Skip}
			l, err := Open(cfg, tok)
			if err != nil {
				continue
			}
			b, err := l.Rows(Train, 0, 4)
			if err != nil {
				continue // nothing to learn in a row's length
			}
			for i := range b.Tokens {
				if b.Mask[i] != 0 && b.Labels[i] < 0 {
					t.Fatalf("token %d counts and has no label", i)
				}
				if b.Labels[i] >= 0 && i%b.T < b.T-1 && (b.Tokens[i+1] != b.Labels[i] || b.Start[i+1] != b.Start[i]) {
					t.Fatalf("the label of token %d is not the next token of its document", i)
				}
			}
		}
	})
}
