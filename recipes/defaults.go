package recipes

import "fmt"

// defaultNode is the value a field's default tag gives it; an empty table or
// list if it has none.
func defaultNode(f *field) *node {
	from := Origin{Kind: FromDefault}
	n := &node{from: from}
	switch {
	case f.shape == aTable:
		n.kind = isTable
	case f.shape == aList:
		n.kind = isList
		if f.preset != nil {
			var found Problems
			n = readValue(from, 0, *f.preset, &found)
			expandField(n, f)
			c := strict{}
			if len(found) > 0 || !c.list(n, f, f.name) || len(c.found) > 0 {
				panic(fmt.Sprintf("recipes: default of %s.%s is wrong: %v %v", f.owner, f.goName, found, c.found))
			}
			forget(n)
		}
	case f.preset != nil:
		n.kind, n.text = isScalar, *f.preset
		v, message, _ := convert(n, f)
		if message != "" {
			panic(fmt.Sprintf("recipes: default of %s.%s %s", f.owner, f.goName, message))
		}
		n.value = v
	}
	return n
}

// forget makes all of a tree's origins the default.
func forget(n *node) {
	n.from = Origin{Kind: FromDefault}
	for _, e := range n.entries {
		forget(e.node)
	}
	for _, v := range n.items {
		forget(v)
	}
}

// fill adds what a table and everything in it leaves to the defaults.
func fill(n *node, s *section) {
	for _, conditional := range []bool{false, true} {
		for _, f := range s.fields {
			if n.get(f.name) == nil && (len(f.when) > 0) == conditional {
				fillField(n, s, f)
			}
		}
	}
	for _, f := range s.fields {
		v := n.get(f.name)
		switch {
		case v == nil:
		case f.shape == aTable:
			fill(v, f.table)
		case f.shape == aList && f.item == aTable:
			for _, x := range v.items {
				fill(x, f.table)
			}
		}
	}
}

func fillField(n *node, s *section, f *field) {
	for _, k := range f.when {
		if got, ok := valueOf(n, s, k.key); !ok || !k.holds(got) {
			return
		}
	}
	if f.oneof != "" {
		for _, g := range s.fields {
			if g.oneof == f.oneof && n.get(g.name) != nil {
				return
			}
		}
	}
	if f.preset == nil && (f.shape != aTable || f.pointer) {
		return
	}
	v := defaultNode(f)
	n.put(f.name, v.from, v)
}

// inherit copies what one section takes from another when it is not given. It
// runs before the static defaults.
func inherit(tree *node) {
	importance := tree.get("importance")
	if again := tree.get("plan").get("rescore"); again != nil && importance != nil {
		for _, e := range importance.entries {
			same := !again.set("method") || text(again, "method") == text(importance, "method")
			if !again.set(e.key) && (same || e.key == "calibration" && again.set("method") && usesCalibration(again)) {
				copyTo(again, e)
			}
		}
	}
	data, tasks := tree.get("data").get("train"), tree.get("eval").get("tasks")
	if data == nil || tasks == nil {
		return
	}
	for _, t := range tasks.items {
		name := text(t, "name")
		for _, src := range data.items {
			if name == "" || text(src, "source") != "task:"+name {
				continue
			}
			for _, e := range src.entries {
				if _, ok := taskParameters(name, RecallTask{}, ArithmeticTask{})[e.key]; ok && !t.set(e.key) {
					copyTo(t, e)
				}
			}
			break
		}
	}
}

// copyTo gives a table a key of another. The copy says where it was written, but
// is of no layer: nothing was written here.
func copyTo(n *node, e entry) {
	v := e.node.clone()
	stamp(v, 0)
	n.put(e.key, e.from, v)
}

func usesCalibration(n *node) bool {
	f := root().byName["importance"].table.byName["calibration"]
	return f.when[0].holds(text(n, "method"))
}

// text returns a scalar of a table; "" if there is none.
func text(n *node, key string) string {
	if v := n.get(key); v != nil && v.kind == isScalar {
		return v.text
	}
	return ""
}
