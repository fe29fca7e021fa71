// Package gemm multiplies row-major matrices.
//
// One operation, C (+)= op(A)·op(B), in float32 (assembly where the processor
// has it, chosen at run time) and float64 (portable, for gradient checks):
//
//	gemm.Gemm(pool, gemm.NT, m, n, k, a, lda, b, ldb, c, ldc, false)
//
// There is one blocked algorithm and, for each instruction set, the tiles it is
// made of: 32×32 for the matrix unit AMX, 12×32 for AVX-512, 6×16 for AVX2 with FMA,
// 2×4 in Go. Products of 64 columns and 64 steps of k or more go to the matrix unit
// where there is one, others to the widest vectors.
//
//	for each region of B (columns × steps of k)      engine.go
//	    pack its panels, if B is transposed or far apart
//	    for each band of rows of C                   tasks: partition.go
//	        for each block of k
//	            for each panel: tiles                isa.go, avx512_amd64.go, …
//	                that ask for what comes next     ahead.go
//
// Vectors read operands where they lie whenever that is as fast: the products inside
// attention and scan are as small as 64×64×32, and a copy would cost more than
// the arithmetic. The matrix unit knows no float32: its operands are copied as three
// bfloat16 parts, amx_amd64.go says why nothing is lost; weights that are bfloat16
// to begin with are one part, see [GemmBF16].
//
// Invariants. The partition over threads splits rows and columns of C and never
// the sum over k, and every tile adds in the same order, so an element of C has
// the same bits at any number of threads, and also when some rows of C are computed
// alone, or some columns on the same path. The two paths of vectors in assembly agree
// bit for bit; the matrix unit and the portable path round differently. Gemm allocates
// nothing once its scratch has grown to the shapes in use. Nothing outside the [m,n]
// window of C is written, nothing outside of A and B is read.
//
// [Peak] and [MatrixPeak] measure what the arithmetic units could do, [ISA] names them.
//
// The assembly is generated: edit _asm, run go generate, commit both; but for the
// matrix unit's, whose instructions no assembler here knows, in amx_amd64.s. The
// package deliberately has no alpha, no fused epilogue and no path for a single
// row: a product of one row with a transposed B is bound by packing B.
package gemm
