// Package vec holds the elementwise and reducing loops that kernels are made
// of, on float32 (assembly where the processor has it, chosen at run time) and
// float64 (portable, for gradient checks).
//
// Each function is one loop over slices of equal length; its doc comment is the
// loop it equals, its portable body the definition:
//
//	sums.go         Dot, SumSq, Max
//	arithmetic.go   Add, Mul, Scale, Axpy, … and their accumulating forms
//	layers.go       RMSApply, RMSSums, RMSGrad, Rotate, RotateBack, Conv4, ConvGrad4
//	activations.go  Exp, Decay, Sigmoid, Softplus, SiLU, SwiGLU and gradients
//	losses.go       ExpSum, LogSumExp, the rows of two divergences
//	softmax.go      attention's softmax and its gradient
//	adamw.go        AdamW
//	matvec.go       Products: few rows times a matrix, at the memory's speed
//	mix.go          Mix: few rows of weights times a matrix, as attention's cache lies
//	bf16.go         BF16 and ProductsBF16, the same with 16-bit weights
//
// A float32 call is a load of isa, then one assembly function that holds the
// AVX-512 and the AVX2+FMA path. Both are emitted by the same generator in _asm:
// turns of one to four vectors, single vectors, and a rest under a mask, so that
// nothing outside the slices is read or written. Slices either are the same,
// where the comment says so, or do not overlap.
//
// Measured errors of the assembly, in units in the last place:
//
//	Exp        0.9   on [-104,89], subnormal results included
//	Sigmoid    2.1   on [-87,30]
//	SiLU       2.2   on [-87,30]
//	Softplus   2.7   on [-87,30]; from 20 on it is x itself
//
// The gradients SiLUGrad and SwiGLUGrad, and all sums and products, are within
// 2e-6·(1+|result|) for operands of size 1 to 10. Below -88.7 Sigmoid and SiLU
// are 0, for exp(-x) is +Inf there; NaN and infinities otherwise come out as in
// the float64 loop, and so they do from Max and LogSumExp.
//
// Invariants. A float32 element has the same bits with AVX2 and AVX-512, at any
// place in a slice and at any alignment. A sum adds in an order that depends only
// on the length and the instruction set. Products and sums are fused where the
// loop has a·b+c, so the portable path rounds differently. Nothing allocates. A
// slice shorter than the first one panics.
//
// The assembly is generated: edit _asm, run go generate, commit both. The
// package deliberately does not run in parallel: callers split. There is no
// path for float64 and none for other processors than amd64.
package vec
