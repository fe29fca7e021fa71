package data

import (
	"strings"
	"testing"
)

func TestPreviewMarksWhatTheLossCounts(t *testing.T) {
	source := oneRecord(t, `{"prompt":"pq","completion":"xyz"}`)
	l := open(t, Config{Sources: []SourceConfig{source}, SequenceLen: 10, Packing: true, LossOn: Completion}, byteTokenizer(t))
	var w strings.Builder
	if err := l.Preview(&w, rows(t, l, Train, 0, 1)); err != nil {
		t.Fatal(err)
	}
	want := `--- row 0, tokens 0 to 7: d.jsonl
<|bos|>pq[[xyz<|eos|>]]
--- row 0, tokens 7 to 10: d.jsonl
<|bos|>pq
1 rows of 10 tokens, 5 counted
`
	if w.String() != want {
		t.Errorf("got\n%s\nwant\n%s", w.String(), want)
	}
	l.cfg.Packing = false
	pieces := l.Pieces(rows(t, l, Train, 0, 1), 0)
	if len(pieces) != 3 || pieces[2].Span != -1 || pieces[2].Tokens != 3 || !pieces[1].Counted || pieces[1].Text != "xyz<|eos|>" {
		t.Errorf("pieces %+v", pieces)
	}
}
