// Package gemm multiplies row-major matrices.
//
// One operation, C (+)= op(A)·op(B), in float32 (assembly where the processor
// has it, chosen at run time) and float64 (portable, for gradient checks):
//
//	gemm.Gemm(pool, gemm.NT, m, n, k, a, lda, b, ldb, c, ldc, false)
//
// There is one blocked algorithm and, for each instruction set, the tiles it is
// made of: 12×32 for AVX-512, 6×16 for AVX2 with FMA, 2×4 in Go.
//
//	for each region of B (columns × steps of k)      engine.go
//	    pack its panels, if B is transposed or far apart
//	    for each band of rows of C                   tasks: partition.go
//	        for each block of k
//	            for each panel: tiles                isa.go, avx512_amd64.go, …
//	                that ask for what comes next     ahead.go
//
// Operands are read where they lie whenever that is as fast: the products inside
// attention and scan are as small as 64×64×32, and a copy would cost more than
// the arithmetic.
//
// Invariants. The partition over threads splits rows and columns of C and never
// the sum over k, and every tile adds in the same order, so an element of C has
// the same bits at any number of threads, and also when a part of C is computed
// alone. The two assembly paths agree bit for bit; the portable one rounds
// differently. Gemm allocates nothing once its scratch has grown to the shapes in
// use. Nothing outside the [m,n] window of C is written, nothing outside of A
// and B is read.
//
// [Peak] measures what the arithmetic units could do, [ISA] names them.
//
// The assembly is generated: edit _asm, run go generate, commit both. The
// package deliberately has no alpha, no fused epilogue and no path for a single
// row: a product of one row with a transposed B is bound by packing B.
package gemm
