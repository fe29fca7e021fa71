package recipes

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"sync"
)

// The struct tags of the sections are the only description of a recipe: the
// strict reader, the defaults, the resolved form and the schema follow them.
//
//	yaml, mapstructure, json   the key, the same in all three
//	default                    a YAML value
//	enum                       allowed values, separated by |
//	min, max, above, below     bounds, the latter two exclusive; of a list's items
//	when                       key=a|b: the setting exists only while its neighbour key is a or b (*: is set)
//	oneof                      a name: of the neighbours with the same name only one may be set
//	short                      key of a table for which a scalar may stand; ? for true and false
//	required                   the key must be given

type shape uint8

const (
	aTable shape = iota
	aList
	aText
	aBool
	anInt
	aUint
	aFloat
	aCount
	aDuration
	aBytes
	anything
)

// field is one key of a table.
type field struct {
	name    string
	index   []int        // of the Go field, through embedded structs
	typ     reflect.Type // without its pointer
	pointer bool
	omit    bool // left out of the resolved form when empty

	shape shape
	item  shape    // of a list
	table *section // of a table, or of a list's items

	enum             []string
	min, max         *float64
	openMin, openMax bool // the bounds are exclusive
	preset           *string
	when             []condition
	oneof, short     string
	required         bool
	owner, goName    string // for its comment
}

// condition holds while the neighbour key has one of the values.
type condition struct {
	key    string
	values []string
}

// section is one struct of the recipe.
type section struct {
	typ    reflect.Type
	fields []*field
	byName map[string]*field
}

var root = sync.OnceValue(func() *section {
	return describe(reflect.TypeFor[Recipe](), map[reflect.Type]*section{})
})

func describe(t reflect.Type, known map[reflect.Type]*section) *section {
	if s := known[t]; s != nil {
		return s
	}
	s := &section{typ: t, byName: map[string]*field{}}
	known[t] = s
	s.add(t, nil, nil, known)
	return s
}

func (s *section) add(t reflect.Type, index []int, inherited []condition, known map[reflect.Type]*section) {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		at := append(append([]int(nil), index...), i)
		when := append(append([]condition(nil), inherited...), conditions(f.Tag.Get("when"))...)
		if f.Anonymous {
			s.add(f.Type, at, when, known)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		d := &field{
			name: name, index: at, typ: f.Type, omit: options == "omitempty",
			when: when, oneof: f.Tag.Get("oneof"), short: f.Tag.Get("short"),
			required: f.Tag.Get("required") == "true", owner: t.Name(), goName: f.Name,
		}
		tag := f.Tag
		if t == reflect.TypeFor[Overrides]() {
			// The bounds stand in Train, once.
			base, ok := reflect.TypeFor[Train]().FieldByName(f.Name)
			if !ok {
				panic("recipes: Overrides." + f.Name + " is not in Train")
			}
			tag, d.owner, d.oneof = base.Tag, "Train", base.Tag.Get("oneof")
		} else if v, ok := tag.Lookup("default"); ok {
			d.preset = &v
		}
		d.bounds(tag)
		if f.Type.Kind() == reflect.Pointer {
			d.typ, d.pointer = f.Type.Elem(), true
		}
		d.shape = shapeOf(d.typ)
		switch d.shape {
		case aTable:
			d.table = describe(d.typ, known)
		case aList:
			if d.item = shapeOf(d.typ.Elem()); d.item == aTable {
				d.table = describe(d.typ.Elem(), known)
			}
		}
		s.fields = append(s.fields, d)
		s.byName[name] = d
	}
}

func (d *field) bounds(tag reflect.StructTag) {
	if e := tag.Get("enum"); e != "" {
		d.enum = strings.Split(e, "|")
	}
	for _, b := range []struct {
		key  string
		dst  **float64
		open *bool
	}{{"min", &d.min, nil}, {"max", &d.max, nil}, {"above", &d.min, &d.openMin}, {"below", &d.max, &d.openMax}} {
		if v := tag.Get(b.key); v != "" {
			x, err := strconv.ParseFloat(v, 64)
			if err != nil {
				panic(fmt.Sprintf("recipes: %s: %s %q is no number", d.name, b.key, v))
			}
			*b.dst = &x
			if b.open != nil {
				*b.open = true
			}
		}
	}
}

func conditions(tag string) []condition {
	if tag == "" {
		return nil
	}
	key, values, _ := strings.Cut(tag, "=")
	return []condition{{key, strings.Split(values, "|")}}
}

func shapeOf(t reflect.Type) shape {
	switch t {
	case reflect.TypeFor[Count]():
		return aCount
	case reflect.TypeFor[Duration]():
		return aDuration
	case reflect.TypeFor[Bytes]():
		return aBytes
	}
	switch t.Kind() {
	case reflect.Struct:
		return aTable
	case reflect.Slice:
		return aList
	case reflect.String:
		return aText
	case reflect.Bool:
		return aBool
	case reflect.Int:
		return anInt
	case reflect.Uint64:
		return aUint
	case reflect.Float64:
		return aFloat
	case reflect.Interface:
		return anything
	}
	panic(fmt.Sprintf("recipes: no way to read a %v", t))
}

// String says what a value of the shape is, for people.
func (s shape) String() string {
	return [...]string{"a mapping", "a list", "a text", "true or false", "a whole number", "a whole number, 0 or more",
		"a number", "a count such as 200k", "a duration such as 15m", "a size such as 8GiB", "a value"}[s]
}

// element is the description of a list's items.
func (d *field) element() *field {
	e := *d
	e.shape, e.typ = d.item, d.typ.Elem()
	return &e
}
