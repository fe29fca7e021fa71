package autodiff

import "stillhouse/layers/tensor"

// Kernel is a fused operation with its derivative. One instance serves one
// node, and may keep scratch between Forward and Backward; of a graph that has
// no backward pass, or of [Graph.Recompute], it may serve many.
//
// These methods are optional:
//
//	Passes(i int) bool  the gradient of input i is gout itself (a residual);
//	                    Backward leaves gin[i] alone. Default false.
//	UsesIn(i int) bool  Backward reads in[i]; when false it may get nil there,
//	                    and the memory is free earlier. Default true.
//	UsesOut() bool      Backward reads out. Default false, and out is nil.
//	Overwrites(i int) bool  Backward asks whether the gradient of parameter i is
//	                    discarded, by its Take, and overwrites it then; when
//	                    false it finds zeros there instead. Default false.
//	Keeps() bool        Backward reads what Forward left in the kernel, which then
//	                    is a pointer. Default true.
//	Traffic() (f, b int)  bytes moved, for profiles; see OpTime. Default all operands.
type Kernel interface {
	// Name says what the operation is, for profiles and errors.
	Name() string
	// OutShape is the shape of the output; no dimensions means a scalar.
	OutShape() []int
	// Forward fills out.
	Forward(out *tensor.Tensor, in []*tensor.Tensor)
	// Backward fills gin[i] with ∂loss/∂in[i], given gout = ∂loss/∂out. A nil
	// gin[i] is not wanted. Gradients of activations are overwritten, those of
	// parameters accumulate. gin never aliases gout.
	Backward(gin []*tensor.Tensor, gout, out *tensor.Tensor, in []*tensor.Tensor)
}

func passes(k Kernel, i int) bool {
	o, ok := k.(interface{ Passes(int) bool })
	return ok && o.Passes(i)
}

func usesIn(k Kernel, i int) bool {
	o, ok := k.(interface{ UsesIn(int) bool })
	return !ok || o.UsesIn(i)
}

func overwrites(k Kernel, i int) bool {
	o, ok := k.(interface{ Overwrites(int) bool })
	return ok && o.Overwrites(i)
}

func usesOut(k Kernel) bool {
	o, ok := k.(interface{ UsesOut() bool })
	return ok && o.UsesOut()
}

func keeps(k Kernel) bool {
	o, ok := k.(interface{ Keeps() bool })
	return !ok || o.Keeps()
}
