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
// writes it to the last that reads it. Best fit over slabs, in order of first
// use; kept nodes live to the end.
func (g *Graph) plan() (Memory, error) {
	sorted, err := G.Sort(g.g)
	if err != nil {
		return Memory{}, fmt.Errorf("autodiff: sort graph: %w", err)
	}
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
	slices.SortStableFunc(lives, func(a, b life) int { return cmp.Compare(a.def, b.def) })

	type slab struct{ size, free int } // elements; the step after which it is free
	var slabs []*slab
	owner := make([]*slab, len(lives))
	var m Memory
	width := g.dtype.Bytes()
	for i, l := range lives {
		n := l.v.Size()
		m.Unshared += n * width
		var best *slab
		for _, s := range slabs {
			if s.free < l.def && (best == nil || fits(s.size, n, best.size)) {
				best = s
			}
		}
		if best == nil {
			best = &slab{}
			slabs = append(slabs, best)
		}
		best.size, best.free = max(best.size, n), l.last
		owner[i] = best
	}
	memory := map[*slab]*tensor.Tensor{}
	for _, s := range slabs {
		memory[s] = tensor.New(g.dtype, s.size)
		m.Planned += s.size * width
	}
	for i, l := range lives {
		l.v.t = memory[owner[i]].Rows(0, l.v.Size()).Reshape(l.v.shape...)
	}
	return m, nil
}

// fits reports whether a slab of size a serves n elements better than one of
// size b: the smallest that holds them, else the largest, which then grows.
func fits(a, n, b int) bool {
	if a >= n {
		return b < n || a < b
	}
	return b < n && a > b
}
