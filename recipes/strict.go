package recipes

import (
	"slices"
	"strconv"
	"strings"
)

// strict compares a tree with the description of a recipe. It reports every
// difference, gives each scalar its value, and takes away what is wrong, so
// that the checks after it see only what can be trusted.
type strict struct {
	found   Problems
	bad     []string // keys of what was taken away
	unknown []misspelt
}

// misspelt is an unknown key: what is missing beside it may be what was meant.
type misspelt struct {
	section string
	meant   string // the key it resembles; "" if it resembles none
}

// explains reports whether an unknown key may have been meant to be this one.
func (c *strict) explains(key string) bool {
	for _, u := range c.unknown {
		if u.section == parent(key) && (u.meant == "" || join(u.section, u.meant) == key) {
			return true
		}
	}
	return false
}

func (c *strict) add(o Origin, key, hint, format string, args ...any) {
	c.found = append(c.found, at(o, key, hint, format, args...))
	c.bad = append(c.bad, key)
}

func (c *strict) table(n *node, s *section, path string) bool {
	if n.kind != isTable {
		c.add(n.from, path, "write its keys, indented, on the lines below", "%swants a mapping, got %v", subject(path), n.kind)
		return false
	}
	var keep []entry
	for _, e := range n.entries {
		key := join(path, e.key)
		f := s.byName[e.key]
		switch {
		case strings.HasPrefix(e.key, "x-"):
			continue
		case f == nil:
			c.found = append(c.found, at(e.from, key, hintForKey(e.key, path, s), "unknown key %q%s", e.key, in(path)))
			c.bad = append(c.bad, key)
			c.unknown = append(c.unknown, misspelt{path, meant(e.key, s)})
			continue
		}
		if c.field(e.node, f, key) {
			keep = append(keep, e)
		}
	}
	n.entries = keep
	c.choices(n, s, path)
	return true
}

// choices checks what depends on neighbours: conditions and exclusive keys.
func (c *strict) choices(n *node, s *section, path string) {
	groups := map[string]string{}
	var names []string
	for _, f := range s.fields {
		if v := n.get(f.name); v != nil && f.oneof != "" {
			key := join(path, f.name)
			if first := groups[f.oneof]; first != "" {
				c.add(v.from, key, "keep one of them", "%s and %s cannot both be given", f.name, first)
				names = append(names, f.name)
			} else {
				groups[f.oneof] = f.name
			}
		}
	}
	for _, name := range names {
		n.drop(name)
	}
	for _, f := range s.fields {
		e := n.get(f.name)
		if e == nil {
			if f.required && !slices.Contains(c.bad, join(path, f.name)) {
				c.missing(n, f, path)
			}
			continue
		}
		for _, k := range f.when {
			got, ok := valueOf(n, s, k.key)
			if ok && k.holds(got) || slices.Contains(c.bad, join(path, k.key)) {
				continue
			}
			_, keyAt, _ := n.find(f.name)
			c.add(keyAt, join(path, f.name), refusal(path, k), "%s", refused(f, k, got))
			n.drop(f.name)
			break
		}
	}
}

// missing reports a required key, unless an unknown one may have been meant.
func (c *strict) missing(n *node, f *field, path string) {
	if c.explains(join(path, f.name)) {
		return
	}
	hint := "add " + f.name + ": …"
	if len(f.enum) > 0 {
		hint = f.name + " is one of " + strings.Join(f.enum, ", ")
	}
	c.add(n.from, join(path, f.name), hint, "%swants %s", subject(path), f.name)
}

func (c *strict) field(n *node, f *field, key string) bool {
	switch f.shape {
	case aTable:
		return c.table(n, f.table, key)
	case aList:
		return c.list(n, f, key)
	case anything:
		return true
	}
	if n.kind != isScalar {
		c.add(n.from, key, "", "%s wants %v, got %v", key, f.shape, n.kind)
		return false
	}
	v, message, hint := convert(n, f)
	if message != "" {
		c.add(n.from, key, hint, "%s %s", key, message)
		return false
	}
	n.value = v
	return true
}

func (c *strict) list(n *node, f *field, key string) bool {
	if n.kind != isList {
		hint := ""
		if n.kind == isScalar {
			hint = "write [" + n.text + "]"
		}
		c.add(n.from, key, hint, "%s wants a list, got %v", key, n.kind)
		return false
	}
	e := f.element()
	good := true
	for i, v := range n.items {
		k := join(key, strconv.Itoa(i))
		if v.kind == isNull && f.item != anything {
			c.add(v.from, k, "remove the dash or the comma", "%s is empty", k)
			good = false
			continue
		}
		good = c.field(v, e, k) && good
	}
	return good
}

func subject(path string) string {
	if path == "" {
		return "a recipe "
	}
	return path + " "
}
