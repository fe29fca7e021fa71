package chat

// What a conversation's values are to a template. gonja writes lists, mappings and
// null into text in a way of its own, where Python writes them in another or
// refuses; here they refuse, all but inside of tojson.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/exec"
)

type (
	null   []struct{}     // JSON's null: empty, and so false
	list   []any          // of values
	object map[string]any // a mapping whose order is not kept, or that is empty
)

func (null) String() string   { panic(notText("null")) }
func (list) String() string   { panic(notText("a list")) }
func (object) String() string { panic(notText("a mapping")) }

// GetItem is indexing, from the end too. gonja's own gives nothing for the -1 of a
// list of one.
func (l list) GetItem(key any) (*exec.Value, bool) {
	i, ok := key.(int)
	if ok && i < 0 {
		i += len(l)
	}
	if !ok || i < 0 || i >= len(l) {
		return exec.AsValue(nil), false
	}
	return exec.ToValue(l[i]), true
}

// asList makes a list of what a filter or method returns, if it is one.
func asList(v any) any {
	r := reflect.ValueOf(v)
	if _, is := v.(null); is || r.Kind() != reflect.Slice {
		return v
	}
	l := make(list, r.Len())
	for i := range l {
		l[i] = r.Index(i).Interface()
	}
	return l
}

// notText is the panic with which a value refuses to be text.
type notText string

func (n notText) Error() string {
	return fmt.Sprintf("%s is joined to text; hint: this template takes content that is text only", string(n))
}

// asValues makes what JSON or a program gives the types above, numbers included: 3
// must not be written 3.0.
func asValues(v any) any {
	switch v := v.(type) {
	case nil:
		return null(nil)
	case json.Number:
		if n, err := strconv.Atoi(v.String()); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		l := make(list, len(v))
		for i := range v {
			l[i] = asValues(v[i])
		}
		return l
	case map[string]any:
		o := make(object, len(v))
		for k := range v {
			o[k] = asValues(v[k])
		}
		return o
	}
	return v
}

// readOrdered reads a JSON value and keeps, if asked, the order of mappings, for
// tojson.
func readOrdered(raw json.RawMessage, order bool) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if order {
		return nextOrdered(d)
	}
	var v any
	err := d.Decode(&v)
	return asValues(v), err
}

func nextOrdered(d *json.Decoder) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('['):
		l := list{}
		for d.More() {
			v, err := nextOrdered(d)
			if err != nil {
				return nil, err
			}
			l = append(l, v)
		}
		_, err := d.Token()
		return l, err
	case json.Delim('{'):
		dict, at := exec.NewDict(), map[string]*exec.Pair{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := nextOrdered(d)
			if err != nil {
				return nil, err
			}
			name := key.(string) // or Token had failed
			if p := at[name]; p != nil {
				p.Value = exec.AsValue(v) // there twice: the later counts, in the earlier's place
				continue
			}
			at[name] = &exec.Pair{Key: exec.AsValue(name), Value: exec.AsValue(v)}
			dict.Pairs = append(dict.Pairs, at[name])
		}
		if _, err := d.Token(); err != nil {
			return nil, err
		}
		if len(dict.Pairs) == 0 {
			return object{}, nil
		}
		return dict, nil
	}
	return asValues(token), nil
}

// tests are gonja's, with what they must know of null.
func tests() *exec.TestSet {
	own := exec.NewTestSet(map[string]exec.TestFunction{}).Update(builtins.Tests)
	replace := func(name string, onNull bool) {
		test, _ := builtins.Tests.Get(name)
		theirs, ok := test.(func(*exec.Context, *exec.Value, *exec.VarArgs) (bool, error))
		if !ok {
			panic("chat: gonja's test " + name + " is no function as it was")
		}
		err := own.Replace(name, func(c *exec.Context, in *exec.Value, params *exec.VarArgs) (bool, error) {
			if _, is := in.Interface().(null); is {
				return onNull, nil
			}
			return theirs(c, in, params)
		})
		if err != nil {
			panic("chat: " + err.Error())
		}
	}
	replace("none", true)
	replace("iterable", false)
	replace("sequence", false)
	return own
}
