package chat

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The templates below are ours, in the manner of common families: each shows one
// thing that real ones do.
const (
	chatML = `{% for m in messages %}<|im_start|>{{ m['role'] }}
{{ m['content'] }}<|im_end|>
{% endfor %}
{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`
	inst = `{{ bos_token }}{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}` +
		`{% if m.role == 'user' %}[INST] {{ m.content | trim }} [/INST]{% else %} {{ m.content | trim }}{{ eos_token }}{% endif %}{% endfor %}`
	lines = `{%- for m in messages %}
    {{- m.role.upper() + ': ' + m.content + '\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- 'ASSISTANT: ' }}
{%- endif %}`
	// forgets what earlier turns thought, as reasoning models' templates do
	forgets = `{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}</s>{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}`
	marked  = `{% for m in messages %}{% if m.role == 'assistant' %}A:
  {% generation %}
{{ m.content }}#{% endgeneration %}

{% else %}Q:{{ m.content }};{% endif %}{% endfor %}{% if add_generation_prompt %}A:
{% endif %}`
)

var talk = []Message{Say("user", "Hi!"), Say("assistant", "Hello"), Say("user", "Bye <b>"), Say("assistant", "Ciao ☕")}

func parse(t testing.TB, source string) *Template {
	t.Helper()
	p, err := Parse(source, "<s>", "</s>")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestTemplatesRenderToExactlyThisText(t *testing.T) {
	for _, c := range []struct {
		name, source string
		messages     []Message
		prompt       bool
		want         string
	}{
		{"ChatML", chatML, talk[:2], false, "<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n"},
		{"ChatML asking", chatML, talk[:1], true, "<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n"},
		{"instructions", inst, talk, false, "<s>[INST] Hi! [/INST] Hello</s>[INST] Bye <b> [/INST] Ciao ☕</s>"},
		{"trimmed lines", lines, talk[:1], true, "USER: Hi!\nASSISTANT: "},
		{"generation blocks leave no trace", marked, talk[:2], false, "Q:Hi!;A:\nHello#\n"},
		{"replace without a count", `{{ messages[0].content.replace('!', '?') }}`, talk, false, "Hi?"},
		{"JSON as Python writes it", `{{ messages | map(attribute='content') | list | tojson }}`, talk, false, `["Hi!", "Hello", "Bye <b>", "Ciao ☕"]`},
		{"loop controls and namespaces", `{% set ns = namespace(n=0) %}{% for m in messages %}{% if m.role == 'user' %}{% continue %}{% endif %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}`, talk, false, "2"},
		{"no clock", `{% if strftime_now is defined %}{{ strftime_now('%d') }}{% else %}26 Jul 2024{% endif %}`, talk, false, "26 Jul 2024"},
		{"undefined names are empty", `{% if tools %}T{% endif %}[{{ nothing }}]`, talk, false, "[]"},
	} {
		got, err := parse(t, c.source).Render(c.messages, c.prompt)
		if err != nil || got != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
		}
	}
}

func TestSegmentsMarkWhatTheAssistantSays(t *testing.T) {
	for _, c := range []struct {
		name, source string
		last         bool
		want         []Segment
	}{
		{"ChatML: the line break after the end belongs to the frame", chatML, false, []Segment{
			{Text: "<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n"},
			{Text: "Hello<|im_end|>", Assistant: true},
			{Text: "\n<|im_start|>user\nBye <b><|im_end|>\n<|im_start|>assistant\n"},
			{Text: "Ciao ☕<|im_end|>", Assistant: true, Last: true},
			{Text: "\n"}}},
		{"only the last turn", chatML, true, []Segment{
			{Text: "<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n<|im_start|>user\nBye <b><|im_end|>\n<|im_start|>assistant\n"},
			{Text: "Ciao ☕<|im_end|>", Assistant: true, Last: true},
			{Text: "\n"}}},
		{"a template without a generation prompt: the space is the assistant's", inst, false, []Segment{
			{Text: "<s>[INST] Hi! [/INST]"}, {Text: " Hello</s>", Assistant: true},
			{Text: "[INST] Bye <b> [/INST]"}, {Text: " Ciao ☕</s>", Assistant: true, Last: true}}},
		{"a line break that ends the turn counts", lines, false, []Segment{
			{Text: "USER: Hi!\nASSISTANT: "}, {Text: "Hello\n", Assistant: true},
			{Text: "USER: Bye <b>\nASSISTANT: "}, {Text: "Ciao ☕\n", Assistant: true, Last: true}}},
		{"generation blocks", marked, false, []Segment{
			{Text: "Q:Hi!;A:\n"}, {Text: "Hello#", Assistant: true}, {Text: "\nQ:Bye <b>;A:\n"},
			{Text: "Ciao ☕#", Assistant: true, Last: true}, {Text: "\n"}}},
		{"the last generation block", marked, true, []Segment{
			{Text: "Q:Hi!;A:\nHello#\nQ:Bye <b>;A:\n"}, {Text: "Ciao ☕#", Assistant: true, Last: true}, {Text: "\n"}}},
	} {
		p := parse(t, c.source)
		got, err := p.Segments(talk, c.last)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
		var joined strings.Builder
		for _, s := range got {
			joined.WriteString(s.Text)
		}
		if whole, _ := p.Render(talk, false); joined.String() != whole {
			t.Errorf("%s: the segments join to %q, the text is %q", c.name, joined.String(), whole)
		}
	}
}

func TestATemplateThatChangesEarlierTurnsIsAnErrorUnlessOnlyTheLastIsWanted(t *testing.T) {
	p := parse(t, forgets)
	thought := []Message{Say("user", "a"), Say("assistant", "<think>x</think>b"), Say("user", "c"), Say("assistant", "<think>y</think>d")}
	if _, err := p.Segments(thought, false); !errors.Is(err, ErrPrefix) || !strings.Contains(err.Error(), "message 1") {
		t.Errorf("got %v, want ErrPrefix for message 1", err)
	}
	got, err := p.Segments(thought, true)
	want := []Segment{{Text: "<user>a</s><assistant>b</s><user>c</s><assistant>"}, {Text: "<think>y</think>d</s>", Assistant: true, Last: true}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}

func TestMistakesInTemplatesAreErrors(t *testing.T) {
	for _, c := range []struct{ source, want string }{
		{"{% for m in messages %}", "chat template"},
		{"{{ messages | no_such_filter }}", "no_such_filter"},
		{"{% include '/etc/hostname' %}", "unable to load"},
		{inst, "roles must alternate"},
		{"{{ messages[0] | tojson }}", "several keys"},
	} {
		p, err := Parse(c.source, "", "")
		if err == nil {
			_, err = p.Render([]Message{Say("assistant", "x"), Say("assistant", "y")}, false)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want one that says %q", c.source, err, c.want)
		}
	}
	if _, err := parse(t, chatML).Segments(talk[:1], false); err == nil || !strings.Contains(err.Error(), "nothing to learn") {
		t.Errorf("a conversation without an answer: %v", err)
	}
	if _, err := parse(t, marked).Segments([]Message{Say("user", markBegin), Say("assistant", "x")}, false); err == nil || !strings.Contains(err.Error(), "U+E0F0") {
		t.Errorf("a conversation with marks of ours: %v", err)
	}
}

func TestMessagesNeedARoleAndAContent(t *testing.T) {
	for _, bad := range []string{`{}`, `[]`, `["x"]`, `[{"content":"x"}]`, `[{"role":"user"}]`, `[{"role":1,"content":"x"}]`, `[`} {
		if _, err := ReadMessages([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
	}
	m, err := ReadMessages([]byte(`[{"role":"user","content":null,"n":3}]`))
	if err != nil || m[0]["n"] != 3 || m[0].Content() != "" {
		t.Errorf("%v %v", m, err)
	}
}

func BenchmarkSegments(b *testing.B) {
	p := parse(b, chatML)
	for b.Loop() {
		if _, err := p.Segments(talk, false); err != nil {
			b.Fatal(err)
		}
	}
}
