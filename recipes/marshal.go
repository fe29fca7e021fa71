package recipes

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// MarshalYAML writes the recipe with every default in it: what a run folder
// keeps. The same recipe gives the same bytes, and reading them back gives the
// same recipe. Settings that the choices made leave without a meaning are not
// written: a reader would refuse them.
func (r *Recipe) MarshalYAML() ([]byte, error) {
	var b strings.Builder
	writeTable(&b, encode(reflect.ValueOf(r).Elem(), root()), 0, false)
	return []byte(b.String()), nil
}

// MarshalJSON writes the same tree as [Recipe.MarshalYAML] does.
func (r *Recipe) MarshalJSON() ([]byte, error) {
	return encode(reflect.ValueOf(r).Elem(), root()).json(nil)
}

// encode turns a struct into a table, its fields in their order.
func encode(v reflect.Value, s *section) *node {
	n := &node{kind: isTable}
	for _, f := range s.fields {
		x := v.FieldByIndex(f.index)
		if !f.exists(v, s) {
			continue
		}
		if f.omit && x.IsZero() && (f.preset == nil || f.crowdedOut(v, s)) {
			continue
		}
		if f.pointer && x.Kind() == reflect.Pointer {
			if x.IsNil() {
				continue
			}
			x = x.Elem()
		}
		n.put(f.name, Origin{}, encodeValue(x, f))
	}
	return n
}

// exists reports whether the neighbours give the field a meaning.
func (f *field) exists(v reflect.Value, s *section) bool {
	for _, k := range f.when {
		d := v.FieldByIndex(s.byName[k.key].index)
		if k.values[0] == "*" {
			if d.IsZero() {
				return false
			}
		} else if !k.holds(d.String()) {
			return false
		}
	}
	return true
}

// crowdedOut reports whether another field of the same choice is set.
func (f *field) crowdedOut(v reflect.Value, s *section) bool {
	for _, g := range s.fields {
		if f.oneof != "" && g != f && g.oneof == f.oneof && !v.FieldByIndex(g.index).IsZero() {
			return true
		}
	}
	return false
}

func encodeValue(v reflect.Value, f *field) *node {
	switch f.shape {
	case aTable:
		return encode(v, f.table)
	case aList:
		n := &node{kind: isList}
		e := f.element()
		for i := range v.Len() {
			n.items = append(n.items, encodeValue(v.Index(i), e))
		}
		return n
	case anything:
		return encodeAny(v.Interface())
	}
	return &node{kind: isScalar, value: v.Interface()}
}

func encodeAny(v any) *node {
	switch x := v.(type) {
	case nil:
		return &node{}
	case map[string]any:
		n := &node{kind: isTable}
		for _, k := range slices.Sorted(maps.Keys(x)) {
			n.put(k, Origin{}, encodeAny(x[k]))
		}
		return n
	case []any:
		n := &node{kind: isList}
		for _, e := range x {
			n.items = append(n.items, encodeAny(e))
		}
		return n
	}
	return &node{kind: isScalar, value: v}
}

func (n *node) json(b []byte) ([]byte, error) {
	switch n.kind {
	case isNull:
		return append(b, "null"...), nil
	case isScalar:
		v, err := json.Marshal(n.value)
		return append(b, v...), err
	}
	open, end := byte('['), byte(']')
	if n.kind == isTable {
		open, end = '{', '}'
	}
	b = append(b, open)
	var err error
	for i, v := range n.items {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = v.json(b); err != nil {
			return b, err
		}
	}
	for i, e := range n.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, e.key), ':')
		if b, err = e.node.json(b); err != nil {
			return b, err
		}
	}
	return append(b, end), nil
}

// writeTable writes the entries of a table, one a line. inline says that the
// first line is begun already, by a dash.
func writeTable(b *strings.Builder, n *node, indent int, inline bool) {
	for i, e := range n.entries {
		if i > 0 || !inline {
			b.WriteString(strings.Repeat("  ", indent))
		}
		b.WriteString(e.key + ":")
		switch v := e.node; {
		case v.kind == isTable && len(v.entries) > 0:
			b.WriteString("\n")
			writeTable(b, v, indent+1, false)
		case v.kind == isList && len(v.items) > 0 && !v.flat():
			b.WriteString("\n")
			for _, x := range v.items {
				b.WriteString(strings.Repeat("  ", indent+1) + "- ")
				if x.kind == isTable && len(x.entries) > 0 {
					writeTable(b, x, indent+2, true)
				} else {
					b.WriteString(x.inline() + "\n")
				}
			}
		default:
			b.WriteString(" " + v.inline() + "\n")
		}
	}
}

// flat reports whether a list holds scalars only: it is written on one line.
func (n *node) flat() bool {
	for _, v := range n.items {
		if v.kind == isTable {
			return false
		}
	}
	return true
}

// inline is the value on one line.
func (n *node) inline() string {
	var parts []string
	switch n.kind {
	case isNull:
		return "null"
	case isScalar:
		return scalar(n.value)
	case isList:
		for _, v := range n.items {
			parts = append(parts, v.inline())
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	for _, e := range n.entries {
		parts = append(parts, e.key+": "+e.node.inline())
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// bare texts need no quotes in any YAML.
var bare = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)

// words are bare texts that some YAML takes for something else.
var words = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

func scalar(v any) string {
	switch x := v.(type) {
	case string:
		if bare.MatchString(x) && !slices.Contains(words, strings.ToLower(x)) {
			return x
		}
		var b strings.Builder
		e := json.NewEncoder(&b) // a JSON text is a YAML text
		e.SetEscapeHTML(false)
		if err := e.Encode(x); err != nil {
			panic("recipes: " + err.Error()) // a string always encodes
		}
		return strings.TrimSpace(b.String())
	case float64:
		s := strconv.FormatFloat(x, 'g', -1, 64)
		if mantissa, exponent, ok := strings.Cut(s, "e"); ok && !strings.Contains(mantissa, ".") {
			s = mantissa + ".0e" + exponent // YAML 1.1 wants the dot
		}
		return s
	}
	return fmt.Sprint(v)
}
