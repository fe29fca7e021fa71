package chat

import (
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/vectors.json.gz is what the chat templates beside it, rendered by
// transformers 5.17.0, make of 150 generated conversations:
//
//	cd testdata && pip install transformers==5.17.0 jinja2 && python vectors.py
type vectors struct {
	Conversations []json.RawMessage
	Rendered      map[string][][2]struct { // by template: without and with a prompt
		Text  *string // or an error
		Error string
	}
	Spans map[string][][]string // by template: what {% generation %} blocks hold
}

func readVectors(t testing.TB) (v vectors) {
	t.Helper()
	f, err := os.Open("testdata/vectors.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&v); err != nil {
		t.Fatal(err)
	}
	if len(v.Conversations) < 100 || len(v.Rendered) < 10 {
		t.Fatalf("%d conversations, %d templates", len(v.Conversations), len(v.Rendered))
	}
	return v
}

func vectorTemplate(t testing.TB, name string) *Template {
	t.Helper()
	source, err := os.ReadFile("testdata/templates/" + name + ".jinja")
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, string(source))
}

func TestTemplatesRenderAsTransformersDoes(t *testing.T) {
	v := readVectors(t)
	for _, name := range slices.Sorted(maps.Keys(v.Rendered)) {
		t.Run(name, func(t *testing.T) {
			p := vectorTemplate(t, name)
			same, refused := 0, 0
			for i, rows := range v.Rendered[name] {
				messages, err := ReadMessages(v.Conversations[i])
				if err != nil {
					t.Fatalf("%s: %v", v.Conversations[i], err)
				}
				for prompt, want := range rows {
					got, err := p.Render(messages, prompt == 1)
					switch {
					case err != nil && want.Text == nil || err == nil && want.Text != nil && got == *want.Text:
						same++
					case err != nil && strings.Contains(err.Error(), "is joined to text"):
						refused++ // Python writes [{'type': ... or None here, which no model was trained on
					case err != nil:
						t.Errorf("%s: %v", v.Conversations[i], err)
					case want.Text == nil:
						t.Errorf("%s: got %q, want the error %s", v.Conversations[i], got, want.Error)
					default:
						t.Errorf("%s:%s", v.Conversations[i], cmp.Diff(*want.Text, got))
					}
				}
			}
			if same < 3*refused {
				t.Errorf("%d rendered the same, %d refused", same, refused)
			}
		})
	}
}

func TestGenerationBlocksHoldWhatTransformersMarks(t *testing.T) {
	v := readVectors(t)
	for name, spans := range v.Spans {
		p, compared := vectorTemplate(t, name), 0
		for i, want := range spans {
			messages, err := ReadMessages(v.Conversations[i])
			if err != nil {
				t.Fatal(err)
			}
			segments, err := p.Segments(messages, false)
			if err != nil {
				continue // a conversation that is refused, or that has no turn of the assistant
			}
			var got []string
			for _, s := range segments {
				if s.Assistant {
					got = append(got, s.Text)
				}
			}
			if compared++; !slices.Equal(got, want) {
				t.Errorf("%s: %s: got %q, want %q", name, v.Conversations[i], got, want)
			}
		}
		if compared < len(spans)/2 {
			t.Errorf("%s: %d of %d conversations compared", name, compared, len(spans))
		}
	}
	if len(v.Spans) != 2 {
		t.Errorf("%d templates with generation blocks, want 2", len(v.Spans))
	}
}

// Whatever a conversation holds, it is rendered or refused, and its segments are
// the text.
func FuzzSegmentsJoinToTheText(f *testing.F) {
	v := readVectors(f)
	for _, c := range v.Conversations[:40] {
		f.Add([]byte(c))
	}
	var templates []*Template
	for name := range v.Rendered {
		templates = append(templates, vectorTemplate(f, name))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		messages, err := ReadMessages(raw)
		if err != nil {
			return
		}
		for _, p := range templates {
			whole, err := p.Render(messages, false)
			for _, last := range []bool{false, true} {
				segments, failed := p.Segments(messages, last)
				if failed != nil {
					continue
				}
				if err != nil {
					t.Fatalf("%s has segments, but is not rendered: %v", raw, err)
				}
				var joined strings.Builder
				for _, s := range segments {
					joined.WriteString(s.Text)
				}
				if joined.String() != whole {
					t.Fatalf("%s: the segments join to %q, the text is %q", raw, joined.String(), whole)
				}
			}
		}
	})
}
