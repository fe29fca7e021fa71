package data

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// lines makes a JSONL source of one record.
func oneRecord(t testing.TB, record string) SourceConfig {
	dir := write(t, map[string]string{"d.jsonl": record + "\n"})
	return SourceConfig{Path: dir + "/d.jsonl", Weight: 1}
}

func TestRowsAreExactlyThese(t *testing.T) {
	tok := byteTokenizer(t)
	pair := `{"prompt":"pq","completion":"xyz"}`
	text := `{"text":"hello"}`
	for _, c := range []struct {
		what    string
		record  string
		length  int
		packing bool
		loss    LossOn
		want    string // tokens, labels, start, mask
	}{
		{"a packed pair, loss on all, cut at the end", pair, 10, true, All,
			"<pqxyz><pq\n" +
				"pqxyz>.pqx\n" +
				"0000000777\n" +
				"1111110111"},
		{"a packed pair, loss on the completion", pair, 10, true, Completion,
			"<pqxyz><pq\n" +
				"pqxyz>.pqx\n" +
				"0000000777\n" +
				"0011110001"},
		{"one pair a row, padded", pair, 10, false, Completion,
			"<pqxyz>___\n" +
				"pqxyz>....\n" +
				"0000000777\n" +
				"0011110000"},
		{"a pair that just fits: the end is the last label", pair, 6, true, Completion,
			"<pqxyz\n" +
				"pqxyz>\n" +
				"000000\n" +
				"001111"},
		{"a pair and no room for a second: its last token has no label", pair, 7, true, Completion,
			"<pqxyz>\n" +
				"pqxyz>.\n" +
				"0000000\n" +
				"0011110"},
		{"a second document of one token has no label yet it has a place", pair, 8, true, All,
			"<pqxyz><\n" +
				"pqxyz>.p\n" +
				"00000007\n" +
				"11111101"},
		{"a text counts as a whole", text, 9, true, Completion,
			"<hello><h\n" +
				"hello>.he\n" +
				"000000077\n" +
				"111111011"},
		{"a text, one a row", text, 9, false, All,
			"<hello>__\n" +
				"hello>...\n" +
				"000000077\n" +
				"111111000"},
		{"an empty prompt", `{"prompt":"","completion":"x"}`, 4, false, Completion,
			"<x>_\n" +
				"x>..\n" +
				"0003\n" +
				"1100"},
	} {
		l := open(t, Config{Sources: []SourceConfig{oneRecord(t, c.record)}, SequenceLen: c.length, Packing: c.packing, LossOn: c.loss}, tok)
		for row := range int64(3) {
			if got := show(l, rows(t, l, Train, row, 1), 0); got != c.want {
				t.Errorf("%s, row %d:\n%s\nwant\n%s", c.what, row, got, c.want)
			}
		}
	}
}

func TestALongTextIsReadFromTheLineOfARandomByte(t *testing.T) {
	var text strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text, "line %03d of it\n", i)
	}
	dir := write(t, map[string]string{"a.txt": text.String()})
	cfg := Config{Sources: []SourceConfig{{Path: dir, Weight: 1}}, SequenceLen: 20, Packing: true, LossOn: All}
	l := open(t, cfg, byteTokenizer(t))
	begins := map[string]int{}
	heads := 0
	for row := range int64(2000) {
		b := rows(t, l, Train, row, 1)
		got := l.tok.Decode(b.Tokens)
		if b.Tokens[0] == l.bos {
			heads++
			got = strings.TrimPrefix(got, "<|bos|>")
		}
		if !strings.HasPrefix(got, "line ") {
			t.Fatalf("row %d begins with %q", row, got)
		}
		if strings.HasPrefix(got, "line 000") != (b.Tokens[0] == l.bos) {
			t.Fatalf("row %d, %q: <|bos|> stands before the first line and no other", row, got)
		}
		begins[got[:8]]++
	}
	if len(begins) < 195 || heads > 40 {
		t.Errorf("%d of 200 lines begin a row, the first of them %d times in 2000", len(begins), heads)
	}
}

func TestEveryBatchKeepsItsPromises(t *testing.T) {
	tok := proseTokenizer(t, 400)
	rapid.Check(t, func(t *rapid.T) {
		cfg := mixed()
		cfg.SequenceLen = rapid.IntRange(24, 90).Draw(t, "T")
		cfg.Packing = rapid.Bool().Draw(t, "packing")
		cfg.LossOn = rapid.SampledFrom([]LossOn{All, Completion}).Draw(t, "loss")
		l, err := Open(cfg, tok)
		if err != nil {
			t.Fatal(err)
		}
		s := rapid.SampledFrom([]Split{Train, Validation, Test}).Draw(t, "split")
		b, err := l.Rows(s, rapid.Int64Range(0, 1e12).Draw(t, "row"), 3)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.B {
			counted := 0
			for p := range b.T {
				at := i*b.T + p
				start := int(b.Start[at])
				if start > p || int(b.Start[i*b.T+start]) != start {
					t.Fatalf("row %d: start %d at %d", i, start, p)
				}
				last := p == b.T-1
				if b.Labels[at] >= 0 && !last && (b.Labels[at] != b.Tokens[at+1] || b.Start[at+1] != b.Start[at]) {
					t.Fatalf("row %d: label at %d is not the next token of its document", i, p)
				}
				if b.Labels[at] < 0 && b.Mask[at] != 0 || b.Tokens[at] == l.pad && (b.Mask[at] != 0 || b.Labels[at] >= 0) {
					t.Fatalf("row %d: position %d counts without a label", i, p)
				}
				if b.Tokens[at] == l.bos && start != p {
					t.Fatalf("row %d: <|bos|> at %d is not the start of a document", i, p)
				}
				if b.Mask[at] != 0 {
					counted++
				}
				if b.Labels[at] >= 0 && cfg.LossOn == All && b.Mask[at] != 1 {
					t.Fatalf("row %d: label at %d does not count", i, p)
				}
			}
			if counted == 0 {
				t.Fatalf("row %d teaches nothing", i)
			}
			end := 0
			for _, s := range b.Spans {
				if s.Row == i {
					if s.From != end || s.To <= s.From || int(b.Start[i*b.T+s.From]) != s.From {
						t.Fatalf("row %d: span %+v after %d", i, s, end)
					}
					end = s.To
				}
			}
			if cfg.Packing && end != b.T {
				t.Fatalf("row %d is packed up to %d of %d", i, end, b.T)
			}
		}
	})
}

func TestAPromptLongerThanTheRowIsAnErrorWithAHint(t *testing.T) {
	record := `{"prompt":"` + strings.Repeat("p", 50) + `","completion":"x"}`
	l := open(t, Config{Sources: []SourceConfig{oneRecord(t, record)}, SequenceLen: 32, LossOn: Completion}, byteTokenizer(t))
	_, err := l.Batch(Train, 0, 1)
	if err == nil || !strings.Contains(err.Error(), "hint: prompts are longer than data.sequence_len") {
		t.Errorf("got %v", err)
	}
}

// Training encodes part by part, generation a prompt as a whole: both must see
// the same tokens.
func TestATasksPromptEncodesAsItsPartsDo(t *testing.T) {
	tok := proseTokenizer(t, 500)
	for _, source := range []string{"task:recall", "task:arithmetic"} {
		src, err := SourceConfig{Source: source}.open(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(300) {
			doc, err := src.read(Train, 1, place{index: i})
			if err != nil {
				t.Fatal(err)
			}
			var prompt string
			var apart []int32
			for _, p := range doc.Parts[:len(doc.Parts)-1] {
				prompt, apart = prompt+p.Text, tok.EncodeAppend(apart, p.Text)
			}
			if got := tok.Encode(prompt); !slices.Equal(got, apart) || len(got) != len(prompt) {
				t.Fatalf("%s: %q is %d tokens as a whole, %d in parts", source, prompt, len(got), len(apart))
			}
		}
	}
}
