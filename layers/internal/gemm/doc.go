// Package gemm multiplies row-major matrices.
//
// One operation, C (+)= op(A)·op(B), in float32 (assembly where the processor
// has it, chosen at run time) and float64 (portable, for gradient checks):
//
//	gemm.Gemm(pool, gemm.NT, m, n, k, a, lda, b, ldb, c, ldc, false)
//
// The partition over threads splits rows and columns of C and never the sum
// over k, so results are bit-identical at any number of threads.
package gemm
