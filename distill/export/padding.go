package export

import (
	"fmt"
	"math"

	"stillhouse/layers"
)

// Idle heads. Stock runtimes tie widths together that a model keeps apart: vLLM
// wants H·P = D in attention, transformers a whole E/D in Mamba-2, llama.cpp 2. A
// head that meets zero columns of the output projection adds nothing, so widths
// can be filled up:
//
//	attention   m/G query heads a group instead of H/G, the idle ones zero. Exact.
//	mamba2      to E' = r·E channels. With r whole, r-1 copies of all heads: every
//	            mean square of the gated norm stays what it was. Exact. Otherwise
//	            groups of zeros behind the others, which a norm per group does not
//	            see: exact. A norm over all of E does see them: its mean square is r
//	            times smaller, which w/√r mends, but for its ε, which counts r times.

// padding says how many heads there are to be.
type padding struct {
	queries int                 // query heads
	was, is layers.Mamba2Config // sizes of every Mamba-2 mixer; zero if there is none
}

// exact reports whether the padded model computes what the model does, but for
// rounding.
func (p padding) exact() bool { return p.was.Heads == 0 || p.copies() > 0 || perGroup(p.was) }

// copies is how many times the channels of a mixer are there, 0 if idle ones are
// zero.
func (p padding) copies() int {
	if p.is.Heads%p.was.Heads != 0 {
		return 0
	}
	return p.is.Heads / p.was.Heads
}

// perGroup reports whether the norm runs over each of several groups.
func perGroup(m layers.Mamba2Config) bool { return m.GroupedNorm && m.Groups > 1 }

// queriesFor returns the number of query heads that fills D, 0 if none does.
func queriesFor(c *layers.Config) int {
	m := c.HiddenSize / c.HeadDim
	if m*c.HeadDim != c.HiddenSize || m < c.Heads || m%c.KVHeads != 0 {
		return 0
	}
	return m
}

// mambaFor returns the sizes of a mixer of the given inner width; the error says
// why idle heads cannot fill it.
func mambaFor(m layers.Mamba2Config, inner int) (layers.Mamba2Config, error) {
	heads, each := inner/m.HeadDim, m.Heads/m.Groups
	switch {
	case heads*m.HeadDim != inner:
		return m, fmt.Errorf("%d channels are no whole number of heads of %d", inner, m.HeadDim)
	case heads < m.Heads:
		return m, fmt.Errorf("the mixers have %d channels, more than %d", m.Inner(), inner)
	case heads == m.Heads || m.Groups == 1:
	case heads%each != 0:
		return m, fmt.Errorf("%d heads are no whole number of groups of %d", heads, each)
	default:
		m.Groups = heads / each
	}
	m.Heads = heads
	return m, nil
}

// queryBlocks moves each query head's block of entries to its place among more.
func (p padding) queryBlocks(c *layers.Config, block int) (segs []segment) {
	was, is := c.Heads/c.KVHeads*block, p.queries/c.KVHeads*block
	for g := range c.KVHeads {
		segs = append(segs, segment{g * is, g * was, was})
	}
	return segs
}

// query is a query projection's weight or bias.
func (p padding) query(c *layers.Config, v value) value {
	if p.queries == c.Heads {
		return v
	}
	return v.spread(0, p.queries*c.HeadDim, p.queryBlocks(c, c.HeadDim))
}

// output is an attention's output projection.
func (p padding) output(c *layers.Config, v value) value {
	if p.queries == c.Heads {
		return v
	}
	return v.spread(1, p.queries*c.HeadDim, p.queryBlocks(c, c.HeadDim))
}

// mamba2 holds a Mamba-2 mixer's weights, shaped as [layers.Mamba2]'s.
type mamba2 struct {
	in, convW, convB, dtBias, aLog, skip, normW, out value
}

// mixer gives a Mamba-2 mixer idle heads behind its own.
func (p padding) mixer(m *layers.Mamba2) mamba2 {
	v := mamba2{of(m.In), of(m.ConvW), of(m.ConvB), of(m.DtBias), of(m.ALog), of(m.Skip), of(m.NormW), of(m.Out)}
	if p.was.Heads == p.is.Heads {
		return v
	}
	inner := [2]int{p.was.Inner(), p.is.Inner()}
	bc := [2]int{p.was.Groups * p.was.State, p.is.Groups * p.is.State}
	heads := [2]int{p.was.Heads, p.is.Heads}
	fill := func(v value, axis int, parts ...[2]int) value {
		segs, size := sections(parts, p.copies())
		return v.spread(axis, size, segs)
	}
	v.in = fill(v.in, 0, inner, inner, bc, bc, heads)
	v.convW, v.convB = fill(v.convW, 0, inner, bc, bc), fill(v.convB, 0, inner, bc, bc)
	v.dtBias, v.aLog, v.skip = fill(v.dtBias, 0, heads), fill(v.aLog, 0, heads), fill(v.skip, 0, heads)
	v.normW = fill(v.normW, 0, inner)
	v.out = v.out.spread(1, inner[1], []segment{{0, 0, inner[0]}})
	if !p.exact() {
		k := math.Sqrt(float64(inner[0]) / float64(inner[1]))
		v.normW = v.normW.mapped(func(w float64) float64 { return w * k })
	}
	return v
}

// sections lays parts behind one another, each of so many entries filled up to
// more: with copies of itself, or with zeros if copies is 0.
func sections(parts [][2]int, copies int) (segs []segment, size int) {
	from := 0
	for _, p := range parts {
		was, is := p[0], p[1]
		for k := range max(1, copies) {
			if (k+1)*was <= is { // what all heads share is there once
				segs = append(segs, segment{size + k*was, from, was})
			}
		}
		from, size = from+was, size+is
	}
	return segs, size
}
