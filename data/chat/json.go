package chat

// tojson as transformers has it: json.dumps with ensure_ascii=False. Go's encoder
// spaces otherwise, and escapes more.

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/exec"
)

var (
	errOrder   = errors.New("a mapping with several keys, one after the other: their order in the file is not kept here, and the text would depend on it")
	errNothing = errors.New("tojson of what is not there")
)

// toJSON is the filter.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	w := jsonWriter{}
	for name, v := range params.KwArgs {
		if name != "indent" {
			return exec.AsValue(exec.ErrInvalidCall(errors.New("tojson takes indent only, not " + name)))
		}
		if !v.IsNil() {
			w.lines, w.width = true, v.Integer()
		}
	}
	if len(params.Args) > 0 {
		return exec.AsValue(exec.ErrInvalidCall(errors.New("tojson takes indent by its name only")))
	}
	if in.IsNil() {
		return exec.AsValue(errNothing)
	}
	if err := w.value(in, 0); err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(w.String())
}

type jsonWriter struct {
	strings.Builder
	lines bool // every item on a line of its own
	width int  // of a level's indent
}

func (w *jsonWriter) value(v *exec.Value, depth int) error {
	switch x := v.Interface().(type) {
	case null:
		w.WriteString("null")
		return nil
	case *exec.Value: // of a list that a template made
		return w.value(x, depth)
	case *exec.Dict:
		return w.items('{', '}', len(x.Pairs), depth, func(i int) error {
			if !x.Pairs[i].Key.IsString() {
				return fmt.Errorf("tojson of a mapping with the key %s, which is no text", x.Pairs[i].Key)
			}
			w.text(x.Pairs[i].Key.String())
			w.WriteString(": ")
			return w.value(x.Pairs[i].Value, depth+1)
		})
	}
	switch {
	case v.IsNil():
		w.WriteString("null")
	case v.IsBool():
		w.WriteString(strconv.FormatBool(v.Bool()))
	case v.IsInteger():
		w.WriteString(strconv.Itoa(v.Integer()))
	case v.IsFloat():
		w.WriteString(v.String()) // as Python's repr
	case v.IsString():
		w.text(v.String())
	case v.IsList():
		return w.items('[', ']', v.Len(), depth, func(i int) error { return w.value(v.Index(i), depth+1) })
	case v.Val.Kind() == reflect.Map:
		keys := v.Val.MapKeys()
		if len(keys) > 1 {
			return errOrder
		}
		return w.items('{', '}', len(keys), depth, func(i int) error {
			w.text(keys[i].String())
			w.WriteString(": ")
			return w.value(exec.ToValue(v.Val.MapIndex(keys[i])), depth+1)
		})
	default:
		return fmt.Errorf("tojson of a %s", v.Val.Type())
	}
	return nil
}

// items writes n items between brackets.
func (w *jsonWriter) items(open, end byte, n, depth int, item func(int) error) error {
	w.WriteByte(open)
	for i := range n {
		switch {
		case w.lines && i > 0:
			w.WriteByte(',')
			fallthrough
		case w.lines:
			w.WriteString("\n" + strings.Repeat(" ", w.width*(depth+1)))
		case i > 0:
			w.WriteString(", ")
		}
		if err := item(i); err != nil {
			return err
		}
	}
	if w.lines && n > 0 {
		w.WriteString("\n" + strings.Repeat(" ", w.width*depth))
	}
	w.WriteByte(end)
	return nil
}

func (w *jsonWriter) text(s string) {
	const short = "\"\\\n\r\t\b\f"
	w.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		if at := strings.IndexByte(short, c); at >= 0 {
			w.WriteString(`\` + `"\nrtbf`[at:at+1])
		} else if c < ' ' {
			fmt.Fprintf(w, `\u%04x`, c)
		} else {
			w.WriteByte(c)
		}
	}
	w.WriteByte('"')
}
