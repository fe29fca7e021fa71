package recipes

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// reader turns YAML into nodes. Everything it finds comes from one file, one
// variable or one flag.
type reader struct {
	from    Origin   // kind, file and layer of all that is read; Text for a flag
	lines   []string // of a file
	shift   int      // columns before the YAML text begins, in a flag
	anchors map[string]ast.Node
	open    map[string]bool // anchors being read: an anchor in itself is endless
	count   int             // nodes made: aliases of aliases multiply
	found   *Problems
}

// maxNodes bounds what aliases can blow a recipe up to.
const maxNodes = 100_000

// maxDepth bounds nesting; no recipe comes near it.
const maxDepth = 50

// read parses one document. It returns nil if nothing can be made of it.
func (r *reader) read(text string) (n *node) {
	// The parser is not ours and reads what a user typed: a panic in it is one
	// more way to say that the text is not YAML.
	defer func() {
		if v := recover(); v != nil {
			n = nil
			r.add(r.place(1, 1), "check quotes, brackets and indentation", "cannot be read as YAML (%v)", v)
		}
	}()
	text = strings.ReplaceAll(text, "\r\n", "\n")
	r.anchors, r.open = map[string]ast.Node{}, map[string]bool{}
	if depth(text) > maxDepth {
		r.add(r.place(1, 1), "a recipe needs no more than a few levels", "nested more than %d deep", maxDepth)
		return nil
	}
	file, err := parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return nil
	}
	var bodies []ast.Node
	for _, d := range file.Docs {
		if d.Body != nil && d.Body.Type() != ast.CommentType {
			bodies = append(bodies, d.Body)
		}
	}
	switch len(bodies) {
	case 0:
		return &node{from: r.place(1, 1)}
	case 1:
		return r.node(bodies[0], 0)
	}
	r.add(r.position(bodies[1]), "one file holds one recipe", "a second YAML document begins here")
	return nil
}

func (r *reader) add(o Origin, hint, format string, args ...any) {
	*r.found = append(*r.found, at(o, "", hint, format, args...))
}

func (r *reader) place(line, column int) Origin {
	o := r.from
	if o.Kind == FromFlag || o.Kind == FromEnvironment {
		o.Column = max(1, column+r.shift)
		return o
	}
	o.Line, o.Column = max(1, line), max(1, column)
	if line >= 1 && line <= len(r.lines) {
		o.Text = strings.TrimRight(r.lines[line-1], "\r")
	}
	return o
}

func (r *reader) token(t *token.Token) Origin {
	if t == nil || t.Position == nil {
		return r.place(1, 1)
	}
	return r.place(t.Position.Line, t.Position.Column)
}

// position is where a node begins; of a block mapping its first key, not its colon.
func (r *reader) position(n ast.Node) Origin {
	switch x := n.(type) {
	case *ast.MappingNode:
		if !x.IsFlowStyle && len(x.Values) > 0 {
			return r.token(x.Values[0].Key.GetToken())
		}
	case *ast.MappingValueNode:
		return r.token(x.Key.GetToken())
	case *ast.AnchorNode:
		if x.Value != nil {
			return r.position(x.Value)
		}
	case *ast.TagNode:
		if x.Value != nil {
			return r.position(x.Value)
		}
	}
	return r.token(n.GetToken())
}

func (r *reader) node(n ast.Node, level int) *node {
	out := &node{from: r.position(n)}
	if r.count++; r.count > maxNodes || level > maxDepth {
		if r.count == maxNodes+1 || level > maxDepth && r.count <= maxNodes {
			r.count = maxNodes + 1
			r.add(out.from, "aliases that hold aliases multiply", "the recipe is larger than any recipe")
		}
		return out
	}
	switch x := n.(type) {
	case *ast.NullNode:
	case *ast.MappingNode:
		out.kind = isTable
		for _, v := range x.Values {
			r.entry(out, v, level)
		}
	case *ast.MappingValueNode:
		out.kind = isTable
		r.entry(out, x, level)
	case *ast.SequenceNode:
		out.kind = isList
		for _, v := range x.Values {
			out.items = append(out.items, r.node(v, level+1))
		}
	case *ast.AnchorNode:
		name := x.Name.GetToken().Value
		r.open[name] = true
		out = r.node(x.Value, level)
		delete(r.open, name)
		r.anchors[name] = x.Value
	case *ast.AliasNode:
		name := x.Value.GetToken().Value
		if v := r.anchors[name]; v != nil && !r.open[name] {
			return r.node(v, level+1)
		}
		r.add(out.from, "write &"+name+" before the value that is meant", "no anchor %s before here", name)
	case *ast.TagNode:
		return r.node(x.Value, level)
	case *ast.LiteralNode:
		out.kind, out.text, out.quoted = isScalar, x.Value.Value, true
	default:
		t := n.GetToken()
		out.kind, out.text = isScalar, t.Value
		out.quoted = t.Type == token.SingleQuoteType || t.Type == token.DoubleQuoteType
	}
	return out
}

func (r *reader) entry(out *node, v *ast.MappingValueNode, level int) {
	key := v.Key.GetToken().Value
	if v.Key.IsMergeKey() {
		r.merge(out, r.node(v.Value, level+1))
		return
	}
	from := r.token(v.Key.GetToken())
	value := r.node(v.Value, level+1)
	if value.kind == isNull {
		value.from = from
	}
	for i, e := range out.entries {
		if e.key != key {
			continue
		}
		if e.merged {
			out.entries[i] = entry{key: key, from: from, node: value}
			return
		}
		r.add(from, "keep one of the two", "%s appears twice; the first is on line %d", strconv.Quote(key), e.from.Line)
		return
	}
	out.put(key, from, value)
}

// merge takes in the keys of a << entry; the table's own win, before and after.
func (r *reader) merge(out, from *node) {
	tables := []*node{from}
	if from.kind == isList {
		tables = from.items
	}
	for _, t := range tables {
		if t.kind != isTable {
			r.add(t.from, "", "<< wants a mapping, got %v", t.kind)
			continue
		}
		for _, e := range t.entries {
			if out.get(e.key) == nil {
				e.merged = true
				out.entries = append(out.entries, e)
			}
		}
	}
}

// readValue parses the right-hand side of a flag or a variable.
func readValue(from Origin, shift int, text string, found *Problems) *node {
	r := &reader{from: from, shift: shift, found: found}
	n := r.read(text)
	if n == nil {
		return nil
	}
	if n.kind == isNull && strings.TrimSpace(text) != "" && strings.HasPrefix(strings.TrimSpace(text), "#") {
		*found = append(*found, at(from, "", "quote it", "%s is a comment in YAML", fmt.Sprintf("%q", text)))
		return nil
	}
	return n
}
