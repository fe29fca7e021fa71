// Package tensor holds the one value every other package passes around: a
// shape, an element type and the memory behind it.
//
// There are two types here: [DType], the element type, and [Tensor]. A Tensor
// is dense and row-major; its memory lives on the host today, and only kernels
// and explicit copies look into it, so that another device can join without a
// second model.
//
//	w := tensor.New(tensor.F32, 512, 256)  // [512,256], zeros
//	s := tensor.Data[float32](w)           // its 131072 elements
//	q := w.Rows(0, 256)                    // the first 256 rows, same memory
//
// A tensor made by [Outline] has a shape and no memory: of models too large to
// hold, a step can still be laid out and measured.
//
// What a gradient holds from the last step is discarded, not cleared: see
// [Tensor.Discard].
//
// Invariants: len(Data(t)) == t.Size(); a shape is never changed after New;
// Rows shares memory, Clone does not.
//
// It deliberately has no arithmetic: everything with a derivative is in layers.
package tensor
