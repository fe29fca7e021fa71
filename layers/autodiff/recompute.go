package autodiff

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/tensor"
)

// segment is a part of the graph whose outputs the backward pass computes again
// (Chen et al. 2016, arXiv:1604.06174): from its inputs, when the gradient has
// come down to it.
//
// The second computation is nodes of their own, twins, over the same kernels:
// the same arithmetic on the same numbers gives the same bits. A twin would be
// ready to run as soon as the segment's input is; an extra child, the gradient
// of the segment's output, holds it back.
type segment struct {
	after *G.Node             // holds the gradient of the segment's last node
	twins map[*G.Node]*G.Node // by first node
}

// Recompute marks the operations that build adds: Grad makes the backward pass
// compute their outputs again, as far as it reads them, so that of all of them
// only what leaves build outlives the forward pass. What build returns must be
// the only node that other operations read on the way to the loss, or what they
// read must come after all that it depends on. Marks do not nest.
//
// Kernels are run twice, and may serve the same operation in several segments:
// what Forward leaves in them for Backward is renewed in time. Build checks that.
func (g *Graph) Recompute(build func() *G.Node) *G.Node {
	if g.segment != nil {
		panic("autodiff: Recompute: inside of another")
	}
	g.segment = &segment{twins: map[*G.Node]*G.Node{}}
	defer func() { g.segment = nil }()
	return build()
}

// again returns the node that computes n anew, n itself outside of the segment.
func (s *segment) again(g *Graph, n *G.Node) *G.Node {
	o, ok := n.Op().(*forwardOp)
	if s == nil || !ok || o.segment != s {
		return n
	}
	if t := s.twins[n]; t != nil {
		return t
	}
	var children G.Nodes
	first := true // reads nothing that waits already
	for _, c := range g.children(n) {
		t := s.again(g, c)
		first = first && t == c
		children = append(children, t)
	}
	if first {
		children = append(children, s.after)
	}
	twin := *o
	twin.base = g.base(o.name, o.buf.shape, children)
	twin.args = make([]*tensor.Tensor, len(o.args))
	s.twins[n] = g.add(&twin, children...)
	return s.twins[n]
}

// checkKept panics when another operation's Forward would run between an
// operation's Forward and its Backward on the same kernel. sorted is root first:
// the machine runs it from the end.
func (g *Graph) checkKept(sorted G.Nodes) {
	left := map[Kernel]*G.Node{} // whose Forward ran last
	for i := len(sorted) - 1; i >= 0; i-- {
		switch o := sorted[i].Op().(type) {
		case *forwardOp:
			if o.segment != nil && keeps(o.k) {
				left[o.k] = sorted[i]
			}
		case *backwardOp:
			if o.f.segment != nil && keeps(o.f.k) && left[o.f.k] != o.state {
				panic(fmt.Sprintf("autodiff: Recompute: the kernel of %v has run for %v before its Backward", o.state, left[o.f.k]))
			}
		}
	}
}
