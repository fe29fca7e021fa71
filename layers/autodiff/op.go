package autodiff

import (
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"
	"time"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	gt "gorgonia.org/tensor"

	"stillhouse/layers/tensor"
)

// base is the dull part of gorgonia.Op. The op owns its output and returns it
// from every Do, so that nothing is allocated and Reset loses nothing.
type base struct {
	name string
	id   uint64
	in   []hm.Type
	buf  *value
	time *OpTime
}

func (g *Graph) base(name string, shape []int, in []*G.Node) base {
	g.ops++
	b := base{name: name, id: g.salt<<32 | g.ops}
	for _, n := range in {
		v := g.values[n]
		if v == nil {
			panic(fmt.Sprintf("autodiff: %s: input %v is not a node of this graph", name, n))
		}
		b.in = append(b.in, v.Type())
	}
	b.buf = &value{dtype: g.dtype, shape: shape}
	if g.times[name] == nil {
		g.times[name] = &OpTime{Name: name}
	}
	b.time = g.times[name]
	return b
}

func (b *base) output() *value { return b.buf }
func (b *base) Arity() int     { return len(b.in) }

// Type is concrete and fresh: Gorgonia returns function types to a pool.
func (b *base) Type() hm.Type {
	return hm.NewFnType(append(append([]hm.Type{}, b.in...), b.buf.Type())...)
}

func (b *base) InferShape(...G.DimSizer) (gt.Shape, error) { return b.buf.Shape(), nil }
func (b *base) ReturnsPtr() bool                           { return false } // never overwritten in place by the compiler
func (b *base) CallsExtern() bool                          { return false } // no alloc or flush instructions
func (b *base) OverwritesInput() int                       { return -1 }
func (b *base) WriteHash(h hash.Hash)                      { fmt.Fprintf(h, "%s#%d", b.name, b.id) } // unique: no merging
func (b *base) Hashcode() uint32                           { h := fnv.New32a(); b.WriteHash(h); return h.Sum32() }
func (b *base) String() string                             { return fmt.Sprintf("%s#%d", b.name, b.id) }

// rescue turns a kernel's panic into an error: the machine runs operations on
// a goroutine of its own, where a panic would end the process. The graph keeps
// the error, because the machine wraps it in text.
func (g *Graph) rescue(name string, err *error) {
	if r := recover(); r != nil {
		g.failed = &PanicError{Op: name, Value: r, Stack: debug.Stack()}
		*err = g.failed
	}
}

// PanicError is a panic inside a kernel: a bug, with where it happened.
type PanicError struct {
	Op    string
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("autodiff: %s panicked: %v", e.Op, e.Value) }

type forwardOp struct {
	base
	g     *Graph
	k     Kernel
	args  []*tensor.Tensor
	needs []bool // set by Grad: input i wants a gradient through the graph

	segment *segment // that computes it again; nil for none
}

var _ G.SDOp = (*forwardOp)(nil)

func (o *forwardOp) Do(in ...G.Value) (_ G.Value, err error) {
	defer o.g.rescue(o.name, &err)
	for i := range o.args { // a twin's last child is no argument
		o.args[i] = tensorOf(in[i])
	}
	if !o.g.profile {
		o.k.Forward(o.buf.t, o.args)
		return o.buf, nil
	}
	began := time.Now()
	o.k.Forward(o.buf.t, o.args)
	o.time.forward(began, o.traffic())
	return o.buf, nil
}

// DiffWRT says which inputs' gradients flow on through the graph.
func (o *forwardOp) DiffWRT(n int) []bool {
	if o.needs == nil {
		return make([]bool, n)
	}
	return o.needs
}

// backwardOp runs one kernel's Backward. Its children are the inputs and the
// output that the kernel reads, and the output's gradient, last; within a
// segment, also the node whose Forward has to come first.
type backwardOp struct {
	base
	f         *forwardOp
	state     *G.Node          // whose Forward left in the kernel what Backward reads
	reads     []int            // which forward input child i is; or readsOut, readsState
	args, gin []*tensor.Tensor // by forward input
	grads     []*value         // gradients that flow on through the graph
	settle    []*tensor.Tensor // parameters' gradients that the kernel only adds to
}

const (
	readsOut   = -1
	readsState = -2
)

func (o *backwardOp) Do(in ...G.Value) (_ G.Value, err error) {
	defer o.f.g.rescue(o.name, &err)
	var out *tensor.Tensor
	for c, i := range o.reads {
		switch {
		case i >= 0:
			o.args[i] = tensorOf(in[c])
		case i == readsOut:
			out = tensorOf(in[c])
		}
	}
	for i, v := range o.grads {
		if v != nil {
			o.gin[i] = v.t
		}
	}
	gout := tensorOf(in[len(in)-1])
	if !o.f.g.profile {
		o.backward(gout, out)
		return o.buf, nil
	}
	began := time.Now()
	o.backward(gout, out)
	o.time.backward(began, o.traffic(out, gout))
	return o.buf, nil
}

func (o *backwardOp) backward(gout, out *tensor.Tensor) {
	for _, t := range o.settle {
		t.Settle()
	}
	o.f.k.Backward(o.gin, gout, out, o.args)
}

// pickOp hands on a further gradient of the backwardOp that is its only child.
type pickOp struct {
	base
	of    *backwardOp
	input int
}

func (o *pickOp) Do(...G.Value) (G.Value, error) { return o.buf, nil }
