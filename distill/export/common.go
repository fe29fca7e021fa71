package export

import (
	"fmt"
	"slices"
	"strings"

	"stillhouse/layers"
)

// stock adds what no stock hybrid of attention and Mamba-2 has a place for.
func (r *refusal) stock(c *layers.Config) {
	if ls := layersOf(c, layers.KindMamba1); ls != nil {
		r.add("student.mixer.type: mamba2 before training; --format apriel_hybrid_ssm", "%s Mamba-1, which fits no stock hybrid", are(ls))
	}
	if ls := layersOf(c, layers.KindIdentity); ls != nil {
		r.add("--format apriel_hybrid_ssm", "%s not there at all", are(ls))
	}
	if c.QKNorm {
		r.add("a teacher without it: Llama, Mistral or Qwen2", "queries and keys are normed (QK-norm)")
	}
	if c.Intermediate == 0 {
		r.add("", "the blocks have no MLP")
	}
	if m, ok := mamba2Of(c); !ok {
		r.add("", "the Mamba-2 layers have different sizes")
	} else if m.Heads > 0 && m.NormEps != c.NormEps {
		r.add("", "the Mamba-2 norms' epsilon %g is not the model's %g", m.NormEps, c.NormEps)
	}
}

// window adds a window that the context reaches beyond: hybrids have none.
func (r *refusal) window(c *layers.Config, context int) {
	if c.Window == 0 || !slices.ContainsFunc(c.Mixers, func(m layers.Mixed) bool { return m.Kind == layers.KindAttention && !m.Full }) {
		return
	}
	if context == 0 || context > c.Window {
		r.add(fmt.Sprintf("--context %d promises no more than the window", c.Window), "attention sees a window of %d tokens, and the context is %d", c.Window, context)
	}
}

// mamba2Of returns the sizes that all Mamba-2 layers share, zero if there are
// none; false if they differ.
func mamba2Of(c *layers.Config) (m layers.Mamba2Config, same bool) {
	for _, x := range c.Mixers {
		switch {
		case x.Mamba2 == nil:
		case m.Heads == 0:
			m = *x.Mamba2
		default:
			y := *x.Mamba2
			y.Chunk = m.Chunk // changes rounding only
			if y != m {
				return m, false
			}
		}
	}
	return m, true
}

// layersOf returns the layers of a kind, counted from 0.
func layersOf(c *layers.Config, k layers.Kind) (ls []int) {
	for l, m := range c.Mixers {
		if m.Kind == k {
			ls = append(ls, l)
		}
	}
	return ls
}

// are begins a sentence about layers.
func are(ls []int) string {
	s := strings.ReplaceAll(strings.Trim(fmt.Sprint(ls), "[]"), " ", ", ")
	if len(ls) == 1 {
		return "layer " + s + " is"
	}
	return "layers " + s + " are"
}

// context is the number of tokens to promise.
func (o Options) context(c *layers.Config) int {
	if o.Context > 0 {
		return o.Context
	}
	return c.MaxPositions
}
