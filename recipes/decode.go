package recipes

import (
	"fmt"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"
)

// delimiter keeps viper from splitting values that hold dots.
const delimiter = "::"

// decode lets viper lay the layers over each other and fills a Recipe from the
// result. Viper lower-cases the keys of maps and destroys a list when one of
// its entries is set, so keys are never the user's words, and lists come whole
// from the merged tree: it has the entries that flags reach into.
//
// UnmarshalExact refuses keys that are not in the struct. The strict pass has
// found those already, with their lines; here an unknown key is our own bug.
func decode(merged *node, layers []*node, overridden []string) (*Recipe, error) {
	v := viper.NewWithOptions(viper.KeyDelimiter(delimiter), viper.ExperimentalBindStruct())
	for key, value := range leaves(merged, "", unwritten) {
		v.SetDefault(key, value)
	}
	for _, l := range layers {
		if err := v.MergeConfigMap(values(l, merged)); err != nil {
			return nil, fmt.Errorf("merge recipe: %w", err)
		}
	}
	for _, key := range overridden {
		at, name := merged, []string(nil)
		for _, part := range strings.Split(key, ".") {
			n := at.get(part)
			if n == nil || at.kind != isTable {
				break
			}
			at, name = n, append(name, part)
		}
		if len(name) == 0 {
			continue
		}
		for k, value := range leaves(at, strings.Join(name, delimiter), nil) {
			v.Set(k, value)
		}
	}
	r := &Recipe{}
	err := v.UnmarshalExact(r, func(c *mapstructure.DecoderConfig) {
		c.DecodeHook = nil         // values have their types already
		c.WeaklyTypedInput = false // "12" is no number here
		c.ZeroFields = true        // lists replace
	})
	if err != nil {
		return nil, fmt.Errorf("decode recipe: %w", err)
	}
	return r, nil
}

// unwritten holds for values that no layer has at their place.
func unwritten(n *node) bool { return n.layer() == 0 }

// leaves maps viper keys to the values of a tree that want holds for, or to all
// of them; lists are leaves.
func leaves(n *node, prefix string, want func(*node) bool) map[string]any {
	out := map[string]any{}
	var walk func(n *node, prefix string)
	walk = func(n *node, prefix string) {
		if n.kind != isTable {
			if want == nil || want(n) {
				out[prefix] = plain(n)
			}
			return
		}
		for _, e := range n.entries {
			if prefix != "" {
				walk(e.node, prefix+delimiter+e.key)
			} else {
				walk(e.node, e.key)
			}
		}
	}
	walk(n, prefix)
	return out
}

// plain is a tree as maps, slices and values.
func plain(n *node) any {
	switch n.kind {
	case isTable:
		m := make(map[string]any, len(n.entries))
		for _, e := range n.entries {
			m[e.key] = plain(e.node)
		}
		return m
	case isList:
		l := make([]any, len(n.items))
		for i, v := range n.items {
			l[i] = plain(v)
		}
		return l
	case isScalar:
		if n.value != nil {
			return n.value
		}
		return guess(n)
	}
	return nil
}

// values is one layer as viper takes it: what of it is in the merged tree.
func values(layer, merged *node) map[string]any {
	m := map[string]any{}
	for _, e := range layer.entries {
		switch in := merged.get(e.key); {
		case in == nil, in.layer() < e.node.from.layer && in.kind != isTable: // taken away
		case e.node.kind == isTable && in.kind == isTable:
			m[e.key] = values(e.node, in)
		case in.kind == isList, e.node.kind != isScalar, in.kind != isScalar:
			m[e.key] = plain(in)
		case in.from == e.node.from:
			m[e.key] = plain(in) // it has its type
		default:
			m[e.key] = plain(e.node) // a higher layer has another value
		}
	}
	return m
}
