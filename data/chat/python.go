package chat

// Where gonja and Python differ in what chat templates use.

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// strMethods returns the methods of strings; replace, whose count gonja demands,
// is ours.
func strMethods() *exec.MethodSet[string] {
	own := map[string]exec.Method[string]{"replace": replace}
	for name := range strings.FieldsSeq(`capitalize casefold center count encode endswith expandtabs find format index isalnum
		isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower
		lstrip partition removeprefix removesuffix rfind rindex rjust rpartition rsplit rstrip split splitlines startswith
		strip swapcase title upper zfill`) {
		if m, ok := builtins.Methods.Str.Get(name); ok {
			own[name] = m
		}
	}
	return exec.NewMethodSet(own)
}

func replace(self string, _ *exec.Value, arguments *exec.VarArgs) (any, error) {
	var before, after string
	count := -1
	if err := arguments.Take(
		exec.PositionalArgument("old", nil, exec.StringArgument(&before)),
		exec.PositionalArgument("new", nil, exec.StringArgument(&after)),
		exec.PositionalArgument("count", exec.AsValue(-1), exec.IntArgument(&count)),
	); err != nil {
		return nil, exec.ErrInvalidCall(err)
	}
	return strings.Replace(self, before, after, count), nil
}

// toJSON writes a value as transformers' tojson does: json.dumps with
// ensure_ascii=False, ", " and ": " between, nothing escaped for HTML.
func toJSON(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	indent := exec.AsValue(nil)
	for name, v := range params.KwArgs {
		if name != "indent" {
			return exec.AsValue(exec.ErrInvalidCall(errors.New("tojson takes indent only, not " + name)))
		}
		indent = v
	}
	if len(params.Args) > 0 {
		return exec.AsValue(exec.ErrInvalidCall(errors.New("tojson takes indent by its name only")))
	}
	var raw bytes.Buffer
	e := json.NewEncoder(&raw)
	e.SetEscapeHTML(false)
	if err := e.Encode(in.ToGoSimpleType(false)); err != nil {
		return exec.AsValue(err)
	}
	width := 0
	if !indent.IsNil() {
		width = indent.Integer()
	}
	text, err := pythonJSON(raw.Bytes(), width)
	if err != nil {
		return exec.AsValue(err)
	}
	return exec.AsSafeValue(text)
}

var errOrder = errors.New("tojson of a mapping with several keys: their order in the file is not kept here, and the text would depend on it")

// pythonJSON spaces JSON as json.dumps does.
func pythonJSON(raw []byte, indent int) (string, error) {
	if indent > 0 {
		var w bytes.Buffer
		if err := json.Indent(&w, bytes.TrimSpace(raw), "", strings.Repeat(" ", indent)); err != nil {
			return "", err
		}
		return w.String(), checkOrder(raw)
	}
	var w strings.Builder
	inString, escaped := false, false
	for _, c := range bytes.TrimSpace(raw) {
		w.WriteByte(c)
		switch {
		case escaped:
			escaped = false
		case inString && c == '\\':
			escaped = true
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == ':'):
			w.WriteByte(' ')
		}
	}
	return w.String(), checkOrder(raw)
}

// checkOrder refuses mappings with more than one key.
func checkOrder(raw []byte) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	var walk func(v any) error
	walk = func(v any) error {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				if err := walk(x); err != nil {
					return err
				}
			}
		case map[string]any:
			if len(v) > 1 {
				return errOrder
			}
			for _, x := range v {
				if err := walk(x); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return walk(v)
}

// plainNumbers makes json.Number the integer or float that a template expects:
// 3 must not be written 3.0.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		for i := range v {
			v[i] = plainNumbers(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plainNumbers(v[k])
		}
	}
	return v
}
