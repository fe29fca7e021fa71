package recipes

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// derive adds the defaults that depend on other values. It runs last.
func derive(tree *node, stem string) {
	give := func(n *node, key string, value any) {
		if n == nil || n.set(key) || value == nil {
			return
		}
		v := &node{kind: isScalar, text: fmt.Sprint(value), value: value, from: Origin{Kind: FromDefault}}
		n.put(key, v.from, v)
	}
	value := func(n *node, key string) any {
		if v := n.get(key); v != nil {
			return v.value
		}
		return nil
	}
	give(tree, "name", stem)
	if name, ok := value(tree, "name").(string); ok {
		give(tree, "output_dir", path.Join("runs", name))
	}
	length := value(tree.get("data"), "sequence_len")
	give(tree.get("train"), "sequence_len", length)
	importance, again := tree.get("importance"), tree.get("plan").get("rescore")
	for _, s := range []*node{importance, again} {
		give(s.get("calibration"), "sequence_len", length)
		f := root().byName["importance"].table.byName["seed"]
		if s != nil && f.when[0].holds(text(s, "method")) {
			give(s, "seed", value(tree, "seed"))
		}
	}
	deriveGeometry(tree.get("teacher").get("train"), give, value)
	deriveHeadDim(tree.get("teacher").get("geometry"), give, value)
	mixer := tree.get("student").get("mixer")
	if text(mixer, "type") == "mamba1" {
		give(tree.get("export"), "format", "apriel_hybrid_ssm")
	}
	give(tree.get("export"), "format", "granitemoehybrid")
	if src := tree.get("data").get("train"); src != nil {
		for _, s := range src.items {
			if p := text(s, "path"); p != "" {
				give(s, "name", p)
			}
			give(s, "name", text(s, "source"))
		}
	}
	number := func(list *node) {
		if list != nil {
			for i, p := range list.items {
				give(p, "name", "phase-"+strconv.Itoa(i+1))
			}
		}
	}
	number(tree.get("phases"))
	if stages := tree.get("stages"); stages != nil {
		for _, s := range stages.items {
			number(s.get("phases"))
		}
	}
	if finish := tree.get("finish"); finish != nil {
		for _, f := range finish.items {
			give(f, "name", text(f, "type"))
			mergeWeights(f)
		}
	}
	if arms := tree.get("ablations").get("arms"); arms != nil && len(arms.items) > 0 {
		if name := text(arms.items[0], "name"); name != "" {
			give(tree.get("ablations").get("compare"), "baseline", name)
		}
	}
}

func deriveGeometry(t *node, give func(*node, string, any), value func(*node, string) any) {
	if t == nil {
		return
	}
	g, tok := t.get("geometry"), t.get("tokenizer")
	if v, ok := value(tok, "vocab_size").(int); ok {
		// A vocabulary given for the model only is the tokenizer's too.
		if m, ok := value(g, "vocab_size").(int); ok && tok.get("vocab_size").from.Kind == FromDefault {
			tok.drop("vocab_size")
			give(tok, "vocab_size", m)
		}
		give(g, "vocab_size", v)
	}
	deriveHeadDim(g, give, value)
}

// deriveHeadDim gives a geometry the usual width of its heads.
func deriveHeadDim(g *node, give func(*node, string, any), value func(*node, string) any) {
	d, ok1 := value(g, "hidden_size").(int)
	h, ok2 := value(g, "num_attention_heads").(int)
	if ok1 && ok2 && h > 0 && d%h == 0 {
		give(g, "head_dim", d/h)
	}
}

// mergeWeights gives every checkpoint of a merge the same weight.
func mergeWeights(f *node) {
	names := f.get("checkpoints")
	if text(f, "type") != "merge" || names == nil || f.set("weights") || len(names.items) == 0 {
		return
	}
	w := &node{kind: isList, from: Origin{Kind: FromDefault}}
	share := 1 / float64(len(names.items))
	for range names.items {
		w.items = append(w.items, &node{kind: isScalar, text: strconv.FormatFloat(share, 'g', -1, 64), value: share, from: w.from})
	}
	f.put("weights", w.from, w)
}

// stem is the default name of a run.
func stem(file string) string {
	return strings.TrimSuffix(path.Base(strings.ReplaceAll(file, "\\", "/")), path.Ext(file))
}
