package recipes

import (
	"slices"
	"strconv"
	"strings"
)

// node is a value of a recipe before it has a Go type: a scalar, a list or a
// table, each with where it came from.
type node struct {
	kind    nodeKind
	text    string // of a scalar, as written
	quoted  bool
	value   any // of a scalar, once its type is known
	entries []entry
	items   []*node
	from    Origin
}

type nodeKind uint8

const (
	isNull nodeKind = iota
	isScalar
	isList
	isTable
)

func (k nodeKind) String() string {
	return [...]string{"nothing", "a single value", "a list", "a mapping"}[k]
}

// entry is one key of a table.
type entry struct {
	key    string
	from   Origin // of the key
	node   *node
	merged bool // by <<: gives way to a key of the table's own
}

// get returns the value of a key; nil if n is no table or has no such key.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for _, e := range n.entries {
		if e.key == key {
			return e.node
		}
	}
	return nil
}

// put sets a key, at the end if it is new.
func (n *node) put(key string, from Origin, v *node) {
	n.kind = isTable
	for i, e := range n.entries {
		if e.key == key {
			n.entries[i] = entry{key: key, from: from, node: v}
			return
		}
	}
	n.entries = append(n.entries, entry{key: key, from: from, node: v})
}

// drop removes a key.
func (n *node) drop(key string) {
	n.entries = slices.DeleteFunc(n.entries, func(e entry) bool { return e.key == key })
}

// set reports whether a key has a value that is not null.
func (n *node) set(key string) bool {
	v := n.get(key)
	return v != nil && v.kind != isNull
}

// find follows a dotted key as far as it leads. It returns the last node on the
// way, where its key stands, and whether that was all of the way.
func (n *node) find(key string) (at *node, keyAt Origin, all bool) {
	at, keyAt = n, n.from
	if key == "" {
		return at, keyAt, true
	}
	for _, part := range strings.Split(key, ".") {
		switch at.kind {
		case isTable:
			i := slices.IndexFunc(at.entries, func(e entry) bool { return e.key == part })
			if i < 0 {
				return at, keyAt, false
			}
			at, keyAt = at.entries[i].node, at.entries[i].from
		case isList:
			i, err := strconv.Atoi(part)
			if err != nil || i < 0 || i >= len(at.items) {
				return at, keyAt, false
			}
			at = at.items[i]
			keyAt = at.from
		default:
			return at, keyAt, false
		}
	}
	return at, keyAt, true
}

// clone copies the tree, origins included.
func (n *node) clone() *node {
	if n == nil {
		return nil
	}
	c := *n
	c.entries = slices.Clone(n.entries)
	for i := range c.entries {
		c.entries[i].node = c.entries[i].node.clone()
	}
	c.items = slices.Clone(n.items)
	for i := range c.items {
		c.items[i] = c.items[i].clone()
	}
	return &c
}

// layer is the highest layer that anything in the tree came from.
func (n *node) layer() int {
	l := n.from.layer
	for _, e := range n.entries {
		l = max(l, e.node.layer())
	}
	for _, v := range n.items {
		l = max(l, v.layer())
	}
	return l
}

// join makes a dotted key.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
