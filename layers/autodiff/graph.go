package autodiff

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// Graph is a Gorgonia expression graph under construction. Its methods panic
// on a caller's bug: a name used twice, an input of the wrong kind.
type Graph struct {
	pool  *parallel.Pool
	g     *G.ExprGraph
	dtype tensor.DType // of everything with a derivative
	float bool         // dtype is set, by the first floating leaf
	salt  uint64       // changed when two nodes collide on Gorgonia's 32-bit hash
	ops   uint64

	leaves  map[string]bool
	values  map[*G.Node]*value         // every node's output
	grads   map[*G.Node]*tensor.Tensor // params: where the gradient accumulates
	total   map[*G.Node]*G.Node        // after Grad: the node holding ∂loss/∂n
	keep    map[*G.Node]bool           // read after a run: memory is not reused
	times   map[string]*OpTime
	profile bool        // operations take their times
	failed  *PanicError // of the last run
	paper   bool        // some leaf has no memory: the graph is measured and not run
	segment *segment    // that Apply adds to; nil outside of Recompute
}

func newGraph(p *parallel.Pool, salt uint64) *Graph {
	return &Graph{
		pool: p, g: G.NewGraph(), salt: salt,
		leaves: map[string]bool{}, values: map[*G.Node]*value{},
		grads: map[*G.Node]*tensor.Tensor{}, total: map[*G.Node]*G.Node{},
		keep: map[*G.Node]bool{}, times: map[string]*OpTime{},
	}
}

// Pool returns the pool that kernels of this graph share.
func (g *Graph) Pool() *parallel.Pool { return g.pool }

// Input adds a leaf over t without a gradient: a batch, a frozen weight, the
// output of another Session. The graph reads t's memory at every run; when t has
// none, the graph takes none either and cannot run.
func (g *Graph) Input(name string, t *tensor.Tensor) *G.Node {
	if g.leaves[name] {
		panic(fmt.Sprintf("autodiff: Input: the name %q is taken: Gorgonia would make both one node", name))
	}
	g.leaves[name] = true
	g.paper = g.paper || t.Outlined()
	if t.DType() != tensor.I32 {
		if g.float && g.dtype != t.DType() {
			panic(fmt.Sprintf("autodiff: Input: %q is %v in a graph of %v", name, t, g.dtype))
		}
		g.dtype, g.float = t.DType(), true
	}
	v := leaf(t)
	if g.salt > 0 { // leaves collide by name; a prefix parts them, a suffix would not
		name = fmt.Sprintf("%d~%s", g.salt, name)
	}
	opts := []G.NodeConsOpt{G.WithName(name), G.WithValue(v)}
	var n *G.Node
	if len(v.shape) == 0 {
		n = G.NewScalar(g.g, v.Dtype(), opts...)
	} else {
		n = G.NewTensor(g.g, v.Dtype(), len(v.shape), append(opts, G.WithShape(v.shape...))...)
	}
	g.values[n] = v
	return n
}

// Param adds a leaf over a weight. With a non-nil grad of the same shape,
// Grad adds ∂loss/∂w to it at every run; with nil the weight is frozen and
// costs nothing in the backward pass.
func (g *Graph) Param(name string, w, grad *tensor.Tensor) *G.Node {
	n := g.Input(name, w)
	if grad != nil {
		if grad.Size() != w.Size() || grad.DType() != w.DType() {
			panic(fmt.Sprintf("autodiff: Param: %q is %v, its gradient %v", name, w, grad))
		}
		g.grads[n] = grad
	}
	return n
}

// Apply adds the node k(in...).
func (g *Graph) Apply(k Kernel, in ...*G.Node) *G.Node {
	o := &forwardOp{base: g.base(k.Name(), k.OutShape(), in), g: g, k: k, args: make([]*tensor.Tensor, len(in)), segment: g.segment}
	return g.add(o, in...)
}

// Keep marks nodes whose values are read after a run.
func (g *Graph) Keep(nodes ...*G.Node) {
	for _, n := range nodes {
		g.keep[n] = true
	}
}

// Gradient returns the node that holds ∂loss/∂n after Grad(loss, n), kept for
// reading, or nil when n does not influence the loss.
func (g *Graph) Gradient(n *G.Node) *G.Node { return g.total[n] }

// owned is an operation that has a buffer of its own.
type owned interface {
	G.Op
	output() *value
}

func (g *Graph) add(op owned, in ...*G.Node) *G.Node {
	n, err := G.ApplyOp(op, in...)
	if err != nil {
		panic(fmt.Sprintf("autodiff: %v of %v: %v", op, in, err))
	}
	g.values[n] = op.output()
	return n
}

// shape returns the dimensions of n's value.
func (g *Graph) shape(n *G.Node) []int { return g.values[n].shape }
