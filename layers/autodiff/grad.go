package autodiff

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/graph"
	G "gorgonia.org/gorgonia"

	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// Grad adds the backward pass of a scalar loss. Every Param with a gradient
// tensor receives its gradient there; the gradients of the nodes wrt, which
// are inputs without one (a gate, say), are read through Gradient. It returns
// an error when something asked for does not influence the loss.
//
// It walks the graph from the root and calls each operation's symbolic
// derivative once, with the sum of what flows in. Gorgonia's own Grad would
// sum in place with a kernel of its own and differentiate frozen branches.
func (g *Graph) Grad(loss *G.Node, wrt ...*G.Node) error {
	if len(g.shape(loss)) != 0 {
		panic(fmt.Sprintf("autodiff: Grad: the loss has shape %v, want a scalar", g.shape(loss)))
	}
	sorted, err := G.Sort(g.g) // root first
	if err != nil {
		return fmt.Errorf("autodiff: sort graph: %w", err)
	}
	// varies: depends on something that wants a gradient.
	varies := map[*G.Node]bool{}
	for _, w := range wrt {
		varies[w] = true
	}
	for w := range g.grads {
		varies[w] = true
	}
	for i := len(sorted) - 1; i >= 0; i-- {
		for _, c := range g.children(sorted[i]) {
			varies[sorted[i]] = varies[sorted[i]] || varies[c]
		}
	}
	if !varies[loss] {
		return fmt.Errorf("autodiff: the loss depends on nothing that trains")
	}
	reached := map[*G.Node]bool{} // params whose gradient some node fills
	parts := map[*G.Node]G.Nodes{loss: {g.Input("∂loss", one(g.dtype))}}
	for _, n := range sorted {
		ps := parts[n]
		if !varies[n] || len(ps) == 0 {
			continue
		}
		total := ps[0]
		if len(ps) > 1 {
			total = g.Apply(g.sum(g.values[n].Size(), len(ps), g.shape(n)), ps...)
		}
		g.total[n] = total
		o, ok := n.Op().(*forwardOp)
		if !ok {
			continue
		}
		in := g.children(n)
		o.needs = make([]bool, len(in))
		for i, c := range in {
			o.needs[i] = varies[c] && g.grads[c] == nil
			reached[c] = reached[c] || varies[c]
		}
		through, err := o.SymDiff(in, n, total)
		if err != nil {
			return err
		}
		for i, c := range in {
			if through[i] != nil {
				parts[c] = append(parts[c], through[i])
			}
		}
	}
	for w := range g.grads {
		if !reached[w] {
			return fmt.Errorf("autodiff: %v does not influence the loss: freeze it, or check the objective", w.Name())
		}
	}
	for _, w := range wrt {
		if g.total[w] == nil {
			return fmt.Errorf("autodiff: %v does not influence the loss", w.Name())
		}
		g.Keep(g.total[w])
	}
	return nil
}

// SymDiff adds the backward node of one operation, and a pick node for every
// gradient beyond the first. Parameters' gradients need no node: the backward
// node adds them where the Param said. The result is nil for an input that
// wants none, and grad itself for an input the kernel passes on.
func (o *forwardOp) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	g := o.g
	ret := make(G.Nodes, len(in))
	b := &backwardOp{f: o, args: make([]*tensor.Tensor, len(in)), gin: make([]*tensor.Tensor, len(in)), grads: make([]*value, len(in))}
	var through []int // inputs whose gradient is computed and flows on
	work := false
	for i, c := range in {
		switch {
		case g.grads[c] != nil:
			b.gin[i], work = g.grads[c], true
			if !overwrites(o.k, i) {
				b.settle = append(b.settle, g.grads[c])
			}
		case o.needs[i] && passes(o.k, i):
			ret[i] = grad
		case o.needs[i]:
			through, work = append(through, i), true
		}
	}
	if !work {
		return ret, nil
	}
	if o.segment != nil && o.segment.after == nil {
		o.segment.after = grad // the first to come is that of the segment's last node
	}
	var children G.Nodes
	for i, c := range in {
		if usesIn(o.k, i) {
			b.reads, children = append(b.reads, i), append(children, o.segment.again(g, c))
		}
	}
	switch {
	case usesOut(o.k):
		b.state = o.segment.again(g, out)
		b.reads, children = append(b.reads, readsOut), append(children, b.state)
	case o.segment != nil && keeps(o.k):
		b.state = o.segment.again(g, out)
		b.reads, children = append(b.reads, readsState), append(children, b.state)
	}
	children = append(children, grad)
	var shape []int // a scalar token when only parameters want gradients
	if len(through) > 0 {
		shape = g.shape(in[through[0]])
	}
	b.base = g.base("∂"+o.name, shape, children)
	b.time = o.time
	node := g.add(b, children...)
	for j, i := range through {
		if j == 0 {
			b.grads[i], ret[i] = b.buf, node
			continue
		}
		p := &pickOp{base: g.base("pick", g.shape(in[i]), G.Nodes{node}), of: b, input: i}
		b.grads[i], ret[i] = p.buf, g.add(p, node)
	}
	return ret, nil
}

// Trains reports whether n depends on a parameter that has a gradient.
func (g *Graph) Trains(n *G.Node) bool {
	seen := map[*G.Node]bool{}
	var trains func(n *G.Node) bool
	trains = func(n *G.Node) bool {
		if seen[n] {
			return false
		}
		seen[n] = true
		return g.grads[n] != nil || slices.ContainsFunc(g.children(n), trains)
	}
	return trains(n)
}

func (g *Graph) children(n *G.Node) (c G.Nodes) {
	for _, k := range graph.NodesOf(g.g.From(n.ID())) {
		c = append(c, k.(*G.Node))
	}
	return c
}

func (g *Graph) sum(n, k int, shape []int) Kernel {
	if g.dtype == tensor.F64 {
		return fanIn{kernel.NewAddN[float64](g.pool, n, k), shape}
	}
	return fanIn{kernel.NewAddN[float32](g.pool, n, k), shape}
}

// fanIn is AddN under the shape of the gradients it sums.
type fanIn struct {
	Kernel
	shape []int
}

func (f fanIn) OutShape() []int { return f.shape }

func one(d tensor.DType) *tensor.Tensor {
	if d == tensor.F64 {
		return tensor.From([]float64{1})
	}
	return tensor.From([]float32{1})
}
