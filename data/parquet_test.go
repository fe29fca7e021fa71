package data

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
)

func writeParquet[T any](t testing.TB, rows []T, options ...parquet.WriterOption) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "d.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[T](f, options...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func linesOf(t testing.TB, path string) string {
	t.Helper()
	var w strings.Builder
	if err := parquetToLines(&w, path); err != nil {
		t.Fatal(err)
	}
	return w.String()
}

type turn struct {
	Role    string  `parquet:"role"`
	Content *string `parquet:"content,optional"`
}

func ptr(s string) *string { return &s }

func TestParquetRowsBecomeTheRecordsTheyHold(t *testing.T) {
	type texts struct {
		ID   int64   `parquet:"id"`
		Text *string `parquet:"text,optional,zstd"`
	}
	type pairs struct {
		Prompt     string `parquet:"prompt,dict"`
		Completion string `parquet:"completion,snappy"`
		Text       []byte `parquet:"other"`
	}
	type lists struct { // as pyarrow writes it: a LIST of optional structs
		Messages []turn `parquet:"messages,list"`
	}
	type optionalLists struct {
		Messages []*turn `parquet:"messages,optional,list"`
	}
	for _, c := range []struct {
		name, path, want string
	}{
		{"texts, one null", writeParquet(t, []texts{{1, ptr("a")}, {2, nil}, {3, ptr("é<")}}), "{\"text\":\"a\"}\n{}\n{\"text\":\"é<\"}\n"},
		{"pairs, other columns left alone", writeParquet(t, []pairs{{"p", "c", nil}, {"p", "", nil}}), "{\"completion\":\"c\",\"prompt\":\"p\"}\n{\"completion\":\"\",\"prompt\":\"p\"}\n"},
		{"messages: none, one, two, a null content", writeParquet(t, []lists{{nil}, {[]turn{{"u", ptr("q")}}}, {[]turn{{"u", ptr("q")}, {"a", nil}}}}),
			"{\"messages\":null}\n{\"messages\":[{\"content\":\"q\",\"role\":\"u\"}]}\n{\"messages\":[{\"content\":\"q\",\"role\":\"u\"},{\"role\":\"a\"}]}\n"},
		{"optional messages", writeParquet(t, []optionalLists{{nil}, {[]*turn{{"u", ptr("q")}}}}),
			"{\"messages\":null}\n{\"messages\":[{\"content\":\"q\",\"role\":\"u\"}]}\n"},
	} {
		if diff := cmp.Diff(c.want, linesOf(t, c.path)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestParquetGivesTheRowsOfJSONLines(t *testing.T) {
	type row struct {
		Messages []turn `parquet:"messages,list"`
	}
	var all []row
	var lines strings.Builder
	for i := range 500 {
		q, a := fmt.Sprintf("q%d", i), strings.Repeat("a", i%7+1)
		all = append(all, row{[]turn{{"user", &q}, {"assistant", &a}}})
		fmt.Fprintf(&lines, `{"messages":[{"content":%q,"role":"user"},{"content":%q,"role":"assistant"}]}`+"\n", q, a)
	}
	// Many pages and several groups of rows.
	path := writeParquet(t, all, parquet.PageBufferSize(256), parquet.MaxRowsPerRowGroup(130))
	if diff := cmp.Diff(lines.String(), linesOf(t, path)); diff != "" {
		t.Fatal(diff)
	}
	tok := byteTokenizer(t)
	batch := func(path string) *Batch {
		cfg := Config{Sources: []SourceConfig{{Path: path, Format: FormatMessages, Weight: 1}}, SequenceLen: 48, Packing: true, LossOn: Assistant,
			ValidationFraction: 0.1, Template: template(t, turns), SpoolDir: t.TempDir()}
		return rows(t, open(t, cfg, tok), Train, 0, 64)
	}
	if diff := cmp.Diff(batch(write(t, map[string]string{"d.jsonl": lines.String()})+"/d.jsonl"), batch(path), equal...); diff != "" {
		t.Error(diff)
	}
}

func TestDamagedOrForeignParquetIsAnError(t *testing.T) {
	type texts struct {
		Text string `parquet:"text,zstd"`
	}
	type numbers struct {
		Text int64 `parquet:"text"`
	}
	var all []texts
	for i := range 200 {
		all = append(all, texts{fmt.Sprintf("text number %d", i)})
	}
	whole, err := os.ReadFile(writeParquet(t, all))
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), whole...)
	for i := 40; i < 400; i++ {
		flipped[i] ^= 0x55
	}
	dir := write(t, map[string]string{"cut.parquet": string(whole[:len(whole)/2]), "flipped.parquet": string(flipped), "long.parquet": "PAR1\x99\x00\x00\xc8PAR1", "encrypted.parquet": string(whole[:len(whole)-1]) + "E"})
	for path, want := range map[string]string{
		filepath.Join(dir, "cut.parquet"):             "not a sound Parquet file",
		filepath.Join(dir, "flipped.parquet"):         "",
		filepath.Join(dir, "long.parquet"):            "a footer of 3355443353 bytes in a file of 12",
		filepath.Join(dir, "encrypted.parquet"):       `it ends in "PARE", not in PAR1: cut short, or encrypted`,
		writeParquet(t, []numbers{{3}}):               "no column text, prompt, completion or messages of texts; hint: its columns are [text]",
		filepath.Join(t.TempDir(), "missing.parquet"): "no such file",
	} {
		var w strings.Builder
		if err := parquetToLines(&w, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", filepath.Base(path), err, want)
		}
	}
	if _, err := kindOf("x.parquet.zst"); err == nil {
		t.Error("Parquet within Zstandard is taken")
	}
}

// Whatever is in a file, reading it ends, in an error or in lines of JSON.
func FuzzParquet(f *testing.F) {
	type texts struct {
		Text string `parquet:"text,zstd"`
	}
	type lists struct {
		Messages []turn `parquet:"messages,list"`
	}
	for _, path := range []string{
		writeParquet(f, []texts{{"a"}, {"b"}, {""}}),
		writeParquet(f, []lists{{nil}, {[]turn{{"u", ptr("q")}, {"a", nil}}}}),
	} {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("PAR1\x99\x00\x00\xc8PAR1")) // a footer of 3.4 GB, found by fuzzing
	path := filepath.Join(f.TempDir(), "d.parquet")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		var w strings.Builder
		if parquetToLines(&w, path) != nil {
			return
		}
		for line := range strings.Lines(w.String()) {
			if !json.Valid([]byte(line)) {
				t.Fatalf("%q is no JSON", line)
			}
		}
	})
}
