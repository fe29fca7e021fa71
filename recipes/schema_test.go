package recipes

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// validate is as much of JSON Schema as ours uses.
func validate(defs, schema map[string]any, v any, at string) (wrong []string) {
	say := func(format string, a ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, a...)) }
	if ref, ok := schema["$ref"].(string); ok {
		return validate(defs, defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), v, at)
	}
	for _, of := range []string{"anyOf", "oneOf"} {
		if ways, ok := schema[of].([]any); ok {
			fits := 0
			for _, s := range ways {
				if len(validate(defs, s.(map[string]any), v, at)) == 0 {
					fits++
				}
			}
			if fits == 0 || of == "oneOf" && fits != 1 {
				say("%d alternatives fit %v", fits, v)
			}
		}
	}
	if e, ok := schema["enum"].([]any); ok {
		in := false
		for _, x := range e {
			in = in || reflect.DeepEqual(x, v)
		}
		if !in {
			say("%v is none of %v", v, e)
		}
	}
	if c, ok := schema["const"]; ok && !reflect.DeepEqual(c, v) {
		say("%v is not %v", v, c)
	}
	switch x := v.(type) {
	case map[string]any:
		if schema["type"] != nil && schema["type"] != "object" {
			say("got an object")
			return wrong
		}
		props, _ := schema["properties"].(map[string]any)
		for _, r := range asList(schema["required"]) {
			if _, ok := x[r.(string)]; !ok {
				say("no %v", r)
			}
		}
		for k, e := range x {
			switch p, ok := props[k].(map[string]any); {
			case ok:
				wrong = append(wrong, validate(defs, p, e, at+"."+k)...)
			case !strings.HasPrefix(k, "x-") && schema["additionalProperties"] == false:
				say("unknown key %s", k)
			}
		}
	case []any:
		if schema["type"] != nil && schema["type"] != "array" {
			say("got an array")
		}
		if items, ok := schema["items"].(map[string]any); ok {
			for i, e := range x {
				wrong = append(wrong, validate(defs, items, e, fmt.Sprint(at, ".", i))...)
			}
		}
	case string:
		if schema["type"] != nil && schema["type"] != "string" {
			say("got a string")
		}
		if p, ok := schema["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(x) {
			say("%q does not match %s", x, p)
		}
	case bool:
		if schema["type"] != nil && schema["type"] != "boolean" {
			say("got a boolean")
		}
	case float64:
		if t := schema["type"]; t != nil && t != "number" && (t != "integer" || x != float64(int64(x))) {
			say("got a number")
		}
		bound := func(key string, broken func(b float64) bool) {
			if b, ok := schema[key].(float64); ok && broken(b) {
				say("%g breaks %s %g", x, key, b)
			}
		}
		bound("minimum", func(b float64) bool { return x < b })
		bound("exclusiveMinimum", func(b float64) bool { return x <= b })
		bound("maximum", func(b float64) bool { return x > b })
		bound("exclusiveMaximum", func(b float64) bool { return x >= b })
	}
	return wrong
}

func asList(v any) []any { l, _ := v.([]any); return l }

// untyped reads YAML as an editor would.
func untyped(t *testing.T, text string) any {
	t.Helper()
	var found Problems
	r := &reader{lines: strings.Split(text, "\n"), found: &found}
	n := r.read(text)
	if len(found) > 0 {
		t.Fatal(found)
	}
	b, err := json.Marshal(plain(n))
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaAcceptsGoodRecipesAndRefusesSlips(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	defs := s["$defs"].(map[string]any)
	check := func(text string) []string { return validate(defs, s, untyped(t, text), "") }
	for _, i := range List() {
		text, err := Show(i.Name)
		if err != nil {
			t.Fatal(err)
		}
		if i.Name == "controls" { // null takes a value away: the schema has no need to know
			text = []byte(strings.Replace(string(text), "export: null\n", "", 1))
		}
		if wrong := check(string(text)); len(wrong) > 0 {
			t.Errorf("%s: %v", i.Name, wrong)
		}
		if wrong := check(resolved(t, mustLoad(t, i.Name, nil, nil))); len(wrong) > 0 {
			t.Errorf("%s, resolved: %v", i.Name, wrong)
		}
	}
	if wrong := check(whole); len(wrong) > 0 {
		t.Errorf("whole: %v", wrong)
	}
	for _, p := range planted {
		switch p.kind {
		case "unknown key", "wrong type", "value not known", "out of range", "unit":
			text, _, _ := plantIn(t, p)
			// Patterns of tensor names are beyond a schema, and a quoted text may be a count.
			if strings.Contains(p.new, "new_mixer") || len(check(text)) > 0 {
				continue
			}
			t.Errorf("%s %q: the schema accepts it", p.kind, p.new)
		}
	}
}

func TestSchemaDescribesEveryKey(t *testing.T) {
	var s map[string]any
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	tables := map[string]any{"Recipe": s}
	for k, v := range s["$defs"].(map[string]any) {
		tables[k] = v
	}
	keys := 0
	for name, v := range tables {
		v := v.(map[string]any)
		props, ok := v["properties"].(map[string]any)
		if !ok {
			continue
		}
		if v["additionalProperties"] != false || v["patternProperties"].(map[string]any)["^x-"] == nil || v["description"] == "" {
			t.Errorf("%s takes any key, or no notes, or is not described", name)
		}
		for k, p := range props {
			keys++
			if d, _ := p.(map[string]any)["description"].(string); len(d) < 8 {
				t.Errorf("%s.%s is not described", name, k)
			}
		}
	}
	if keys < 150 {
		t.Errorf("%d keys, want all", keys)
	}
	d := s["$defs"].(map[string]any)["Importance"].(map[string]any)["properties"].(map[string]any)["steps"].(map[string]any)
	if d["default"] != float64(100) || !strings.HasSuffix(d["description"].(string), "Only with method: mmr, restore.") {
		t.Errorf("importance.steps is %v", d)
	}
}
