package chat

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"sync"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
)

// A Message is one turn: role, content and whatever else the template reads.
type Message map[string]any

// Say returns a message of a role.
func Say(role, content string) Message { return Message{"role": role, "content": content} }

// Role returns who speaks; "" if the message does not say.
func (m Message) Role() string { return m.text("role") }

// Content returns what is said; "" if it is no plain text.
func (m Message) Content() string { return m.text("content") }

func (m Message) text(key string) string {
	s, _ := m[key].(string)
	return s
}

// assistant is the role whose turns a model learns to say.
const assistant = "assistant"

// Marks that stand for {% generation %} and its end in the rendered text: code
// points for private use, which a conversation that holds them is refused for.
const (
	markBegin = "\uE0F0\uE0F1"
	markEnd   = "\uE0F2\uE0F3"
)

// A Template renders conversations. Any number of goroutines may share one.
type Template struct {
	source   string
	bos, eos string
	marked   bool       // it has {% generation %} blocks
	mu       sync.Mutex // of parsed: gonja does not promise that execution is free of writes
	parsed   *exec.Template
}

var (
	beginTag = regexp.MustCompile(`\{%([-+]?)\s*generation\s*([-+]?)%\}`)
	endTag   = regexp.MustCompile(`\{%([-+]?)\s*endgeneration\s*([-+]?)%\}`)
)

// Parse reads a template; bos and eos are the special tokens it may write.
func Parse(source, bos, eos string) (t *Template, err error) {
	defer recovered("parse", &err)
	t = &Template{source: source, bos: bos, eos: eos, marked: beginTag.MatchString(source)}
	// A block tag on each side, so that the whitespace around is trimmed as it
	// would be around the tag itself.
	text := beginTag.ReplaceAllString(source, "{%$1 if true %}{{ '"+markBegin+"' }}{% endif $2%}")
	text = endTag.ReplaceAllString(text, "{%$1 if true %}{{ '"+markEnd+"' }}{% endif $2%}")
	const name = "/chat_template"
	loader, err := loaders.NewMemoryLoader(map[string]string{name: text})
	if err != nil {
		return nil, fmt.Errorf("chat template: %w", err)
	}
	c := config.New()
	c.TrimBlocks, c.LeftStripBlocks = true, true
	if t.parsed, err = exec.NewTemplate(name, c, loader, environment()); err != nil {
		return nil, fmt.Errorf("chat template: %s", shorten(err.Error(), source))
	}
	return t, nil
}

// Source returns the template as it was written.
func (t *Template) Source() string { return t.source }

// Render returns the text of a conversation. With prompt it ends where the
// assistant's next turn begins.
func (t *Template) Render(messages []Message, prompt bool) (string, error) {
	text, err := t.render(messages, prompt)
	if err == nil && t.marked {
		text = strings.NewReplacer(markBegin, "", markEnd, "").Replace(text)
	}
	return text, err
}

func (t *Template) render(messages []Message, prompt bool) (text string, err error) {
	defer recovered("render", &err)
	turns := make(list, len(messages))
	for i, m := range messages {
		if t.marked && strings.ContainsAny(m.Content(), markBegin+markEnd) {
			return "", fmt.Errorf("chat template: message %d holds U+E0F0 to U+E0F3, which mark turns here", i)
		}
		values := make(map[string]any, len(m))
		for k, v := range m {
			values[k] = asValues(v)
		}
		turns[i] = values
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err = t.parsed.ExecuteToString(exec.NewContext(map[string]any{
		"messages": turns, "add_generation_prompt": prompt, "bos_token": t.bos, "eos_token": t.eos,
	}))
	if err != nil {
		return "", fmt.Errorf("chat template: %s", shorten(err.Error(), t.source))
	}
	return text, nil
}

// environment is what a template can use: nothing that reads a file, a clock or
// a random number.
func environment() *exec.Environment {
	filters := exec.NewFilterSet(map[string]exec.FilterFunction{}).Update(builtins.Filters)
	for name, own := range map[string]exec.FilterFunction{"tojson": toJSON, "string": toText} {
		if err := filters.Replace(name, own); err != nil {
			panic("chat: " + err.Error()) // gonja has the filter, or was changed
		}
	}
	for name := range strings.FieldsSeq("batch dictsort items list map reject rejectattr reverse select selectattr slice sort unique") {
		theirs, ok := filters.Get(name)
		if !ok {
			panic("chat: gonja has no filter " + name)
		}
		err := filters.Replace(name, func(e *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
			out := theirs(e, in, params)
			return &exec.Value{Val: reflect.ValueOf(asList(out.Interface())), Safe: out.Safe}
		})
		if err != nil {
			panic("chat: " + err.Error())
		}
	}
	methods := builtins.Methods
	methods.Str, methods.Dict = strMethods(), dictMethods()
	return &exec.Environment{
		Filters: filters, Tests: tests(), ControlStructures: builtins.ControlStructures, Methods: methods,
		Context: exec.EmptyContext().Update(builtins.GlobalFunctions).Update(exec.NewContext(map[string]any{
			"raise_exception": func(message string) (string, error) { return "", errors.New(message) },
		})),
	}
}

// recovered turns a panic of the template engine into an error.
func recovered(what string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("chat template: %s: %v", what, r)
	}
}

// shorten keeps an error readable that quotes the whole template.
func shorten(message, source string) string {
	message = strings.ReplaceAll(message, source, "…")
	if len(message) > 400 {
		message = message[:200] + " … " + message[len(message)-200:]
	}
	return message
}
