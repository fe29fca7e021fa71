package recipes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The layers of a recipe are merged as trees, before anything has a Go type:
// maps merge, lists replace, null takes a value away.

// expand replaces the short ways of writing by the long ones, in place, so that
// layers merge and --set can reach into what was written short.
func expand(n *node, s *section) {
	if n == nil || n.kind != isTable {
		return
	}
	for i := range n.entries {
		if f := s.byName[n.entries[i].key]; f != nil {
			expandField(n.entries[i].node, f)
		}
	}
}

func expandField(n *node, f *field) {
	switch {
	case f.shape == aTable && f.short == "?" && n.kind == isScalar && !n.quoted && (n.text == "true" || n.text == "false"):
		if n.kind = isTable; n.text == "false" {
			n.kind = isNull
		}
		n.text = ""
	case f.shape == aTable:
		expand(n, f.table)
	case f.shape == aList && f.item == aTable:
		if f.short != "" && (n.kind == isScalar || n.kind == isTable && n.set(f.short)) {
			one := *n
			*n = node{kind: isList, items: []*node{&one}, from: one.from}
		}
		for _, v := range n.items {
			if f.short != "" && v.kind == isScalar {
				inner := *v
				*v = node{from: inner.from}
				v.put(f.short, inner.from, &inner)
			}
			expand(v, f.table)
		}
	}
}

// overlay puts over on top of base and returns the result; neither is used again.
func overlay(base, over *node) *node {
	if base == nil || base.kind != isTable || over.kind != isTable {
		return over
	}
	for _, e := range over.entries {
		v := e.node
		if b := base.get(e.key); b != nil {
			v = overlay(b, v)
		}
		base.put(e.key, e.from, v)
	}
	return base
}

// patch sets the value at a dotted key, lists by index, on top of what is
// there. It reports keys that cannot be reached.
func patch(tree *node, key string, v *node, found *Problems) {
	parts := strings.Split(key, ".")
	n, f := tree, &field{shape: aTable, table: root()}
	for i, part := range parts {
		sofar := strings.Join(parts[:i], ".")
		last := i == len(parts)-1
		switch f.shape {
		case aTable:
			if n.kind != isTable {
				*n = node{kind: isTable, from: v.from}
			}
			next := f.table.byName[part]
			if next == nil {
				if !strings.HasPrefix(part, "x-") {
					*found = append(*found, at(v.from, key, hintForKey(part, sofar, f.table), "unknown key %q%s", part, in(sofar)))
				}
				return
			}
			if last {
				expandField(v, next)
				// A table replaces nothing that it does not name, as in a file.
				n.put(part, v.from, overlay(n.get(part), v))
				return
			}
			child := n.get(part)
			if child == nil || child.kind == isNull {
				child = materialise(next, v.from)
				n.put(part, v.from, child)
			}
			n, f = child, next
		case aList:
			k, err := strconv.Atoi(part)
			if err != nil || k < 0 {
				*found = append(*found, at(v.from, key, "entries count from 0, e.g. "+sofar+".0", "%s is a list, and %q is no index", sofar, part))
				return
			}
			if n.kind != isList {
				*n = node{kind: isList, from: v.from}
			}
			if k > len(n.items) {
				*found = append(*found, at(v.from, key, fmt.Sprintf("the next free index is %d", len(n.items)), "%s has %d entries, so there is no %d", sofar, len(n.items), k))
				return
			}
			e := f.element()
			if k == len(n.items) {
				n.items = append(n.items, &node{from: v.from})
			}
			if last {
				if e.shape == aTable && f.short != "" && v.kind == isScalar {
					inner := *v
					v = &node{from: inner.from}
					v.put(f.short, inner.from, &inner)
				}
				if e.shape == aTable {
					expand(v, e.table)
				}
				n.items[k] = v
				return
			}
			n, f = n.items[k], e
		case anything:
			*found = append(*found, at(v.from, key, "set "+sofar+" as a whole", "%s is reached into", sofar))
			return
		default:
			*found = append(*found, at(v.from, key, "set "+sofar+" itself", "%s is %v and holds no %q", sofar, f.shape, part))
			return
		}
	}
}

// materialise makes what stands at a key that no layer has set: its default,
// so that an index finds it.
func materialise(f *field, from Origin) *node {
	n := &node{kind: isTable, from: from}
	if f.shape == aList {
		n = defaultNode(f)
		n.kind = isList
	}
	return n
}

// in is the place of a key, for messages.
func in(path string) string {
	if path == "" {
		return ""
	}
	return " in " + path
}

// prune takes away nulls: they have done their work.
func prune(n *node) {
	n.entries = slices.DeleteFunc(n.entries, func(e entry) bool { return e.node.kind == isNull })
	for _, e := range n.entries {
		prune(e.node)
	}
	for _, v := range n.items {
		prune(v)
	}
}

// settle lets a higher layer's choice win over what lower layers set for other
// choices: plan.fractions in a flag replaces plan.mamba_layers in the file, and
// importance.method takes away settings that only the file's method uses.
func settle(n *node, s *section) {
	if n.kind != isTable {
		return
	}
	groups := map[string]int{}
	for _, f := range s.fields {
		if v := n.get(f.name); v != nil && f.oneof != "" {
			groups[f.oneof] = max(groups[f.oneof], v.layer())
		}
	}
	for _, f := range s.fields {
		v := n.get(f.name)
		if v == nil {
			continue
		}
		if f.oneof != "" && v.layer() < groups[f.oneof] {
			n.drop(f.name)
			continue
		}
		for _, c := range f.when {
			d := n.get(c.key)
			if d != nil && d.kind == isScalar && v.layer() < d.from.layer && !slices.Contains(c.values, d.text) && c.values[0] != "*" {
				n.drop(f.name)
			}
		}
	}
	for _, f := range s.fields {
		v := n.get(f.name)
		switch {
		case v == nil:
		case f.shape == aTable:
			settle(v, f.table)
		case f.item == aTable && f.shape == aList:
			for _, x := range v.items {
				settle(x, f.table)
			}
		}
	}
}

// replan drops the overrides of single stages that a higher layer's plan has no stages
// for: they were written for the plan that it replaces.
func replan(tree *node) {
	stages, plan := tree.get("stages"), tree.get("plan")
	if stages == nil || plan == nil || plan.layer() <= stages.layer() {
		return
	}
	n := 0
	for _, key := range []string{"mamba_layers", "fractions"} {
		if counts := plan.get(key); counts != nil {
			n = len(counts.items)
		}
	}
	if n < len(stages.items) {
		tree.drop("stages")
	}
}
