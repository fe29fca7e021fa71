package gemm

import (
	"unsafe"

	"stillhouse/layers/internal/parallel"
)

// GemmBF16 computes C = A·Wᵀ, or C += A·Wᵀ when acc is set, where the rows of W [n,k]
// are bfloat16, and has the bits that [Gemm] has with W widened, in half to three
// quarters of its time. It reports false, and does nothing, where the product is not one for a
// matrix unit.
func GemmBF16[H ~uint16](p *parallel.Pool, m, n, k int, a []float32, lda int, w []H, ldw int, c []float32, ldc int, acc bool) bool {
	e := engineOf[float32](n, k)
	if !e.isa.parts {
		return false
	}
	check(NT, m, n, k, len(a), lda, len(w), ldw, len(c), ldc)
	if m == 0 {
		return true
	}
	x := e.plan(NT, m, n, k, a, lda, nil, ldw, c, ldc, acc)
	x.halfB = unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(w))), len(w))
	e.run(p, x)
	return true
}
