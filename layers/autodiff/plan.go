package autodiff

import (
	"cmp"
	"fmt"
	"slices"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/tensor"
)

// Memory is what a plan gives the outputs of a graph's operations.
type Memory struct {
	Unshared int // bytes if every output had memory of its own
	Planned  int // bytes given, outputs whose lives do not overlap sharing
}

// life is the span, in order of execution, over which an output is needed.
type life struct {
	v         *value
	def, last int
}

// plan gives every output its memory. The machine runs operations in exactly
// the reverse of G.Sort, so each output's life is known: from the node that
// writes it to the last that reads it; kept nodes live to the end.
func (g *Graph) plan() (Memory, error) {
	sorted, err := G.Sort(g.g)
	if err != nil {
		return Memory{}, fmt.Errorf("autodiff: sort graph: %w", err)
	}
	g.checkKept(sorted)
	at := make(map[*G.Node]int, len(sorted))
	for i, n := range sorted {
		at[n] = len(sorted) - 1 - i
	}
	last := make(map[*G.Node]int, len(sorted))
	for _, n := range sorted {
		last[n] = max(last[n], at[n])
		for _, c := range g.children(n) {
			last[c] = max(last[c], at[n])
		}
		if g.keep[n] {
			last[n] = len(sorted)
		}
	}
	var lives []life
	for _, n := range sorted {
		switch o := n.Op().(type) {
		case *forwardOp, *backwardOp:
			lives = append(lives, life{g.values[n], at[n], last[n]})
		case *pickOp:
			lives = append(lives, life{o.buf, at[g.children(n)[0]], last[n]}) // written by its parent
		}
	}
	// The largest first, each into the smallest that has room over its life
	// (greedy by size, Pisarchyk & Lee 2020, arXiv:2001.03288). In order of first
	// use, outputs that live long would settle in memory much larger than they.
	slices.SortStableFunc(lives, func(a, b life) int {
		return cmp.Or(cmp.Compare(b.v.Size(), a.v.Size()), cmp.Compare(a.def, b.def))
	})
	type slab struct {
		size  int // elements
		lives []life
	}
	var slabs []*slab // from large to small
	var m Memory
	width := g.dtype.Bytes()
	for _, l := range lives {
		m.Unshared += l.v.Size() * width
		var home *slab
		for _, s := range slabs {
			if !slices.ContainsFunc(s.lives, l.overlaps) {
				home = s // the last that has room is the smallest
			}
		}
		if home == nil {
			home = &slab{size: l.v.Size()}
			slabs = append(slabs, home)
			m.Planned += home.size * width
		}
		home.lives = append(home.lives, l)
	}
	take := tensor.New
	if g.paper {
		take = tensor.Outline
	}
	for _, s := range slabs {
		memory := take(g.dtype, s.size)
		for _, l := range s.lives {
			l.v.t = memory.Rows(0, l.v.Size()).Reshape(l.v.shape...)
		}
	}
	return m, nil
}

// overlaps reports whether both outputs are needed at one time.
func (l life) overlaps(o life) bool { return l.def <= o.last && o.def <= l.last }
