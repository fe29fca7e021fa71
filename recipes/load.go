package recipes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// EnvPrefix begins the names of environment variables that set recipe keys;
// __ stands for the dot: STILLHOUSE_TRAIN__LEARNING_RATE=1e-4.
const EnvPrefix = "STILLHOUSE_"

// testData are the variables that tell the project's own tests where more data
// lies. They set nothing, and stay set while a recipe runs.
var testData = []string{EnvPrefix + "GOLDENS", EnvPrefix + "REAL"}

// Load reads a recipe from a file or, if there is no such file, the embedded
// recipe of that name. On top of it come the recipe it extends (below), the
// variables of environ that begin with [EnvPrefix], and overrides of the form
// key=value as --set takes them, the last one winning.
//
// Everything wrong is reported at once: the error is then [Problems]. An error
// of another kind means that nothing could be read.
func Load(path string, overrides, environ []string) (*Recipe, error) {
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		return Parse(path, data, overrides, environ)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("read recipe: %w", err)
	}
	if data, err := Show(path); err == nil {
		return Parse(path+".yaml", data, overrides, environ)
	}
	hint := "there are " + strings.Join(names(), ", ")
	if near := nearest(path, names()); near != "" {
		hint = "did you mean " + near + "?"
	}
	return nil, fmt.Errorf("no recipe file %s and no embedded recipe of that name\n  hint: %s", path, hint)
}

// Parse is [Load] for a recipe that is in memory already. The name stands in
// messages and gives the run its name if the recipe does not.
func Parse(name string, data []byte, overrides, environ []string) (*Recipe, error) {
	l := loader{}
	l.file(FromFile, name, data, 0)
	if len(l.layers) == 0 {
		return nil, l.found.err() // not YAML: there is nothing to look at
	}
	return l.finish(stem(name), overrides, environ)
}

// loader collects layers and what is wrong with them.
type loader struct {
	found  Problems
	layers []*node // weakest first; their numbers are their places, from 1
	keys   []string
}

// file reads one file and, first, what it extends.
func (l *loader) file(kind Kind, name string, data []byte, level int) {
	lines := strings.Split(string(data), "\n")
	r := &reader{from: Origin{Kind: kind, File: name}, lines: lines, found: &l.found}
	n := r.read(strings.TrimPrefix(string(data), "\ufeff"))
	if n != nil && n.kind == isNull {
		l.found = append(l.found, at(n.from, "", "copy an embedded one to begin with: "+strings.Join(names(), ", "), "the recipe is empty"))
		n = nil
	}
	if n == nil {
		return
	}
	if base := n.get("extends"); base != nil && base.kind == isScalar {
		data, err := Show(base.text)
		switch {
		case err != nil:
			hint := "there are " + strings.Join(names(), ", ")
			if near := nearest(base.text, names()); near != "" {
				hint = "did you mean " + near + "?"
			}
			l.found = append(l.found, at(base.from, "extends", hint, "no embedded recipe %q", base.text))
		case level >= len(names()):
			l.found = append(l.found, at(base.from, "extends", "", "recipes extend each other in a circle"))
		default:
			l.file(FromPreset, strings.TrimSuffix(base.text, ".yaml")+".yaml", data, level+1)
		}
		n.drop("extends")
	}
	expand(n, root())
	l.layers = append(l.layers, n)
	stamp(n, len(l.layers))
}

// stamp numbers a tree's layer.
func stamp(n *node, layer int) {
	n.from.layer = layer
	for i := range n.entries {
		stamp(n.entries[i].node, layer)
	}
	for _, v := range n.items {
		stamp(v, layer)
	}
}

func (l *loader) finish(name string, overrides, environ []string) (*Recipe, error) {
	tree := &node{kind: isTable, from: l.layers[len(l.layers)-1].from}
	for _, n := range l.layers {
		tree = overlay(tree, n.clone())
	}
	if tree.kind != isTable { // a list or a scalar: strict says so
		c := strict{}
		c.table(tree, root(), "")
		return nil, append(l.found, c.found...).err()
	}
	env := slices.Clone(environ)
	slices.Sort(env)
	for _, v := range env {
		if key, value, ok := strings.Cut(v, "="); ok && strings.HasPrefix(key, EnvPrefix) && !slices.Contains(testData, key) {
			key = strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(key, EnvPrefix), "__", "."))
			l.override(tree, Origin{Kind: FromEnvironment, Text: v, layer: len(l.layers) + 1}, key, value)
		}
	}
	for _, o := range overrides {
		from := Origin{Kind: FromFlag, Text: o, Column: 1, layer: len(l.layers) + 2}
		key, value, ok := strings.Cut(o, "=")
		if !ok || strings.TrimSpace(key) == "" {
			l.found = append(l.found, at(from, "", "write key=value, e.g. --set train.learning_rate=1e-4", "an override without a value"))
			continue
		}
		l.override(tree, from, strings.TrimSpace(key), value)
	}
	prune(tree)
	settle(tree, root())
	replan(tree)
	c := &strict{found: l.found}
	c.table(tree, root(), "")
	inherit(tree)
	fill(tree, root())
	derive(tree, name)
	r, err := decode(tree, l.layers, l.keys)
	if err != nil {
		// Wrong values were taken away: this is our own bug, and still no
		// reason to hide what is wrong with the recipe.
		return nil, errors.Join(c.found.err(), err)
	}
	r.tree = tree
	r.check(c, 0)
	if err := c.found.err(); err != nil {
		return nil, err
	}
	return r, nil
}

// override puts one value on top, from a variable or a flag.
func (l *loader) override(tree *node, from Origin, key, value string) {
	shift := len([]rune(from.Text)) - len([]rune(value))
	from.Column = 1
	v := readValue(from, shift, value, &l.found)
	if v == nil {
		return
	}
	if v.kind == isNull {
		v.from = from
	}
	before := len(l.found)
	keyed := from
	patch(tree, key, v, &l.found)
	for i := before; i < len(l.found); i++ {
		l.found[i].Column = max(1, keyed.Column) // the key is wrong, not the value
	}
	l.keys = append(l.keys, key)
}
