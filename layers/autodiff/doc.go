// Package autodiff is a thin layer on Gorgonia: its expression graph, its
// symbolic differentiation and its TapeMachine, with fused operations of ours.
//
// Gorgonia's machine costs half a microsecond a node, which is nothing beside
// a matrix product; its own kernels, its fan-in of gradients and its memory
// use are what a training step cannot afford. So the nodes here are coarse
// (a whole attention, a whole Mamba scan), own their output buffers, and are
// differentiated by [Graph.Grad], which sums fan-in with a kernel of ours and
// makes no node for a gradient nobody wants.
//
// There are three types here: [Kernel], a fused operation with its backward
// pass; [Graph], which applies kernels to nodes and differentiates; [Session],
// a compiled graph that runs again and again over the same memory.
//
//	s, err := autodiff.Build(pool, func(g *autodiff.Graph) error {
//		x := g.Input("x", batch)            // no gradient
//		w := g.Param("w", weight, grad)     // ∂loss/∂w is added to grad
//		h := g.Apply(linear, x, w)
//		loss := g.Apply(mse, h, g.Input("target", target))
//		return g.Grad(loss)
//	})
//	for range steps { fill(batch); err = s.Run(); … }
//
// A graph whose activations do not fit marks parts of itself with
// [Graph.Recompute]: the backward pass computes them again from their inputs.
//
// Invariants: one Kernel instance is one node, but where nothing is kept in it
// for long; gradients of activations are
// overwritten and gradients of parameters accumulate; after Build nothing is
// allocated but the machine's own bookkeeping (about 130 bytes a node); two
// nodes never share a hash, which Gorgonia would take for the same node.
//
// Second derivatives, and graphs that change shape, are not supported: a
// Session is cheap to build, so build another.
package autodiff
