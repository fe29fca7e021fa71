// Package kernel holds the fused operations that models are made of: each is one
// node of a graph, with its derivative beside it.
//
// A kernel is a value made for fixed sizes by its constructor, generic over
// float32, for work, and float64, for checking gradients. Its contract, which
// autodiff.Kernel states as an interface:
//
//	Name() string                       of the node
//	OutShape() []int                    of the result
//	Forward(out, in)                    fills out; keeps what Backward needs
//	Backward(gin, gout, out, in)        of the last Forward
//
// and, where the kernel has more to say:
//
//	Passes(i) bool     the gradient of input i is gout itself
//	UsesIn(i) bool     Backward reads input i
//	UsesOut() bool     Backward reads the result
//	Overwrites(i) bool Backward overwrites parameter i's gradient if it is discarded
//
// Backward overwrites gin[i] for activations and adds to it for parameters; a nil
// gin[i] is not wanted. Sizes are checked once, by the constructor, which panics
// with the numbers. Forward and Backward check and allocate nothing.
//
//	linear.go add.go scale.go gate.go       products and sums
//	rmsnorm.go qknorm.go swiglu.go          norms and the MLP's gate
//	embedding.go rope.go                    tokens and positions
//	attention*.go                           causal attention by blocks, no [T,T] matrix
//	conv.go gatednorm.go                    what surrounds both scans
//	mamba2*.go ssd*.go                      Mamba-2: conv, chunked scan, gated norm
//	mamba1*.go scan.go                      Mamba-1: conv, selective scan, gate
//	headloss.go headchunk.go losses.go      last product and losses, a few rows at a time
//	hidden.go                               distances of hidden states
//	*_decode.go                             the same one token at a time
//	adamw.go                                the optimizer, no node
//
// Invariants. Work is cut into parts of fixed sizes whose sums are added in
// order, so that results have the same bits at any number of threads. Document
// starts reset attention, convolution and scan. Every derivative is compared with
// central differences in float64, and every fast path with the loop it equals.
//
// It knows no graph, no parameter by name and no model: package layers does.
package kernel
