package recipes

import (
	"embed"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/invopop/jsonschema"
)

// source is where the schema's descriptions stand: the comments of the fields.
//
//go:embed recipe.go teacher.go data.go importance.go student.go plan.go objective.go train.go phases.go eval.go output.go ablations.go
var source embed.FS

// Schema returns the JSON Schema of a recipe, for editors: put
// "# yaml-language-server: $schema=recipe.schema.json" at the top of a file.
// It knows keys, types, bounds and allowed values; what depends on several keys
// is found by [Load] only.
func Schema() []byte { return schema() }

var schema = sync.OnceValue(func() []byte {
	r := &jsonschema.Reflector{
		ExpandedStruct: true, Anonymous: true, RequiredFromJSONSchemaTags: true,
		Mapper: scalarSchema,
	}
	s := r.Reflect(&Recipe{})
	s.Title = "Stillhouse recipe"
	texts := comments()
	seen := map[*section]bool{}
	complete(s, root(), s.Definitions, texts, seen)
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("recipes: " + err.Error()) // the struct is ours
	}
	return append(b, '\n')
})

// scalarSchema describes the types that are numbers with units.
func scalarSchema(t reflect.Type) *jsonschema.Schema {
	text := func(pattern string) *jsonschema.Schema {
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Type: "integer", Minimum: "0"}, {Type: "string", Pattern: pattern}}}
	}
	switch t {
	case reflect.TypeFor[Count]():
		return text(`^[0-9][0-9_]*(\.[0-9]+)?([eE]\+?[0-9]{1,2})?\s*(k|K|M|G|B|T|Ki|Mi|Gi)?$`)
	case reflect.TypeFor[Bytes]():
		return text(`^[0-9][0-9_]*(\.[0-9]+)?([eE]\+?[0-9]{1,2})?\s*([kKMGT]?B|[KMGT]iB)?$`)
	case reflect.TypeFor[Duration]():
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{{Const: 0}, {Type: "string", Pattern: `^([0-9]+d)?([0-9.]+(h|m|s|ms))*$|^0$`}}}
	}
	return nil
}

// complete adds to a generated schema what our own tags and comments say.
func complete(s *jsonschema.Schema, sec *section, defs jsonschema.Definitions, texts map[string]string, seen map[*section]bool) {
	if seen[sec] {
		return
	}
	seen[sec] = true
	s.Description = texts[sec.typ.Name()]
	s.PatternProperties = map[string]*jsonschema.Schema{"^x-": {Description: "A note; it is not read."}}
	s.AdditionalProperties = jsonschema.FalseSchema
	for _, f := range sec.fields {
		p, _ := s.Properties.Get(f.name)
		f.constrain(p)
		if f.required {
			s.Required = append(s.Required, f.name)
		}
		if f.table != nil {
			complete(defs[f.table.typ.Name()], f.table, defs, texts, seen)
		}
		p = f.shorthand(p)
		p.Description = f.describe(texts)
		if f.preset != nil {
			if v := defaultNode(f); v.kind == isScalar || v.kind == isList {
				if b, err := v.json(nil); err == nil {
					p.Default = json.RawMessage(b)
				}
			}
		}
		s.Properties.Set(f.name, p)
	}
}

// constrain sets allowed values and bounds; those of a list are its items'.
func (f *field) constrain(p *jsonschema.Schema) {
	if f.shape == aList {
		p = p.Items
	}
	for _, e := range f.enum {
		p.Enum = append(p.Enum, e)
	}
	number := func(x *float64) json.Number { return json.Number(strconv.FormatFloat(*x, 'f', -1, 64)) }
	if p.OneOf != nil || p.Ref != "" {
		return
	}
	if f.min != nil && f.openMin {
		p.ExclusiveMinimum = number(f.min)
	} else if f.min != nil {
		p.Minimum = number(f.min)
	}
	if f.max != nil && f.openMax {
		p.ExclusiveMaximum = number(f.max)
	} else if f.max != nil {
		p.Maximum = number(f.max)
	}
	if p.Type == "integer" && f.typ.Kind() == reflect.Uint64 {
		p.Minimum = "0"
	}
}

// shorthand also allows the short way of writing.
func (f *field) shorthand(p *jsonschema.Schema) *jsonschema.Schema {
	switch {
	case f.short == "?":
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "boolean"}, p}}
	case f.short != "":
		word := &jsonschema.Schema{Type: "string"}
		for _, e := range f.table.byName[f.short].enum {
			word.Enum = append(word.Enum, e)
		}
		item := p.Items
		p.Items = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{word, item}}
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{word, item, p}}
	}
	return p
}

// describe is the field's comment, with what its tags add.
func (f *field) describe(texts map[string]string) string {
	t := texts[f.owner+"."+f.goName]
	for _, k := range f.when {
		if k.values[0] == "*" {
			t += " Only with " + k.key + "."
		} else {
			t += " Only with " + k.key + ": " + strings.Join(k.values, ", ") + "."
		}
	}
	return t
}

// comments reads the doc comments of types and fields, on one line each.
func comments() map[string]string {
	out := map[string]string{}
	entries, err := source.ReadDir(".")
	if err != nil {
		panic("recipes: " + err.Error()) // the files are in the binary
	}
	for _, e := range entries {
		b, err := source.ReadFile(e.Name())
		if err != nil {
			panic("recipes: " + err.Error())
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), b, parser.ParseComments)
		if err != nil {
			panic("recipes: " + err.Error())
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				t := s.(*ast.TypeSpec)
				out[t.Name.Name] = oneLine(g.Doc)
				st, ok := t.Type.(*ast.StructType)
				if !ok {
					continue
				}
				for _, f := range st.Fields.List {
					for _, name := range f.Names {
						out[t.Name.Name+"."+name.Name] = oneLine(f.Doc)
					}
				}
			}
		}
	}
	return out
}

var docLink = regexp.MustCompile(`\[([A-Z]\w*)\]`)

func oneLine(c *ast.CommentGroup) string {
	if c == nil {
		return ""
	}
	return strings.Join(strings.Fields(docLink.ReplaceAllString(c.Text(), "$1")), " ")
}
