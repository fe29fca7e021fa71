package chat

// Where gonja and Python differ in what chat templates use.

import (
	"errors"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

// strMethods returns the methods of strings. replace, whose count gonja demands,
// split, which it cannot do at white space, and rsplit, which it does from the left,
// are ours.
func strMethods() *exec.MethodSet[string] {
	own := map[string]exec.Method[string]{"replace": replace, "split": splitFrom(strings.SplitN), "rsplit": splitFrom(splitRight)}
	for name := range strings.FieldsSeq(`capitalize casefold center count encode endswith expandtabs find format index isalnum
		isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower
		lstrip partition removeprefix removesuffix rfind rindex rjust rpartition rstrip splitlines startswith
		strip swapcase title upper zfill`) {
		if m, ok := builtins.Methods.Str.Get(name); ok {
			own[name] = func(self string, value *exec.Value, arguments *exec.VarArgs) (any, error) {
				v, err := m(self, value, arguments)
				return asList(v), err
			}
		}
	}
	return exec.NewMethodSet(own)
}

// dictMethods returns the methods of mappings, in the order of the mapping: gonja
// sorts the keys.
func dictMethods() *exec.MethodSet[map[string]any] {
	own := map[string]exec.Method[map[string]any]{}
	if get, ok := builtins.Methods.Dict.Get("get"); ok {
		own["get"] = get
	}
	for name, pick := range map[string]func(key, value *exec.Value) any{
		"keys":   func(key, _ *exec.Value) any { return key.Interface() },
		"values": func(_, value *exec.Value) any { return value.Interface() },
		"items":  func(key, value *exec.Value) any { return list{key.Interface(), value.Interface()} },
	} {
		own[name] = func(self map[string]any, value *exec.Value, arguments *exec.VarArgs) (any, error) {
			if err := arguments.Take(); err != nil {
				return nil, exec.ErrInvalidCall(err)
			}
			l := list{}
			if d, ok := value.Interface().(*exec.Dict); ok {
				for _, p := range d.Pairs {
					l = append(l, pick(p.Key, p.Value))
				}
				return l, nil
			}
			if len(self) > 1 {
				return nil, errOrder
			}
			for k, v := range self {
				l = append(l, pick(exec.AsValue(k), exec.ToValue(v)))
			}
			return l, nil
		}
	}
	return exec.NewMethodSet(own)
}

// splitFrom is split and rsplit, by the function that cuts at a separator.
func splitFrom(cut func(s, separator string, pieces int) []string) exec.Method[string] {
	return func(self string, _ *exec.Value, arguments *exec.VarArgs) (any, error) {
		var separator string
		most := -1
		if err := arguments.Take(
			exec.PositionalArgument("sep", exec.AsValue(""), exec.StringArgument(&separator)),
			exec.PositionalArgument("maxsplit", exec.AsValue(-1), exec.IntArgument(&most)),
		); err != nil {
			return nil, exec.ErrInvalidCall(err)
		}
		switch {
		case separator == "" && most >= 0:
			return nil, exec.ErrInvalidCall(errors.New("a split at white space takes no maxsplit here"))
		case separator == "":
			return asList(strings.Fields(self)), nil
		case most >= 0:
			most++ // from cuts to pieces
		}
		return asList(cut(self, separator, most)), nil
	}
}

// splitRight is strings.SplitN from the right.
func splitRight(s, separator string, pieces int) []string {
	all := strings.Split(s, separator)
	if pieces < 0 || len(all) <= pieces {
		return all
	}
	first := len(all) - pieces + 1
	return append([]string{strings.Join(all[:first], separator)}, all[first:]...)
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

// toText is the filter string.
func toText(_ *exec.Evaluator, in *exec.Value, params *exec.VarArgs) *exec.Value {
	switch err := params.Take(); {
	case in.IsError():
		return in
	case err != nil:
		return exec.AsValue(exec.ErrInvalidCall(err))
	case in.IsDict():
		return exec.AsValue(notText("a mapping"))
	case in.IsList():
		return exec.AsValue(notText("a list"))
	}
	return exec.AsValue(in.String())
}
