package gemm

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// Form says which operands are stored transposed: the first letter is A's, the
// second B's.
type Form uint8

// The four forms. op(A) is [m,k]; stored [m,k] for N and [k,m] for T.
// op(B) is [k,n]; stored [k,n] for N and [n,k] for T.
const (
	NN Form = iota
	NT
	TN
	TT
)

// String returns the name of the form.
func (f Form) String() string {
	if f > TT {
		return fmt.Sprintf("Form(%d)", uint8(f))
	}
	return [...]string{"NN", "NT", "TN", "TT"}[f]
}

func (f Form) transA() bool { return f == TN || f == TT }
func (f Form) transB() bool { return f == NT || f == TT }

// Gemm computes C = op(A)·op(B), or C += op(A)·op(B) when acc is set.
// C is [m,n] with row stride ldc; lda and ldb are the row strides of the
// stored A and B. With k = 0 and acc unset, C is cleared. C must not overlap A
// or B. A nil pool runs on the caller; any number of such calls may run at once.
// It panics when a dimension is negative or an operand does not fit its slice.
func Gemm[T tensor.Float](p *parallel.Pool, f Form, m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, acc bool) {
	engineOf[T](n, k).multiply(p, f, m, n, k, a, lda, b, ldb, c, ldc, acc)
}

// ISA names the instruction set of the float32 path: amx, avx512, avx2 or portable.
func ISA() string { return fastest.name }

// TileRows returns how many rows of C the float32 path named by [ISA] makes at a time:
// of a product with a multiple of them none are made for nothing.
func TileRows() int { return fastest.heights[0] }

// singles and double are the engines of this processor: for float32 those of all its
// instruction sets, the fastest last. vectors is the path of products too small for a
// matrix unit.
var (
	singles = newEngines(paths())
	fastest = singles[len(singles)-1].isa
	vectors = engineOf[float32](1, 1).isa
	double  = newEngine(portable[float64]())
)

// engineOf returns the engine for n columns of sums of k products: the fastest one
// that they are enough for. It does not look at the rows of C, which are tokens for
// the most part: some of them computed alone are to have the bits of all.
func engineOf[T tensor.Float](n, k int) *engine[T] {
	if e, ok := any(double).(*engine[T]); ok { // T is float64
		return e
	}
	last := len(singles) - 1
	for last > 0 && min(n, k) < singles[last].isa.fewest {
		last--
	}
	return any(singles[last]).(*engine[T])
}

func newEngines[T tensor.Float](all []*isa[T]) (es []*engine[T]) {
	for _, s := range all {
		es = append(es, newEngine(s))
	}
	return es
}

// check panics unless the operands fit their slices. The assembly reads and
// writes without looking.
func check(f Form, m, n, k, lenA, lda, lenB, ldb, lenC, ldc int) {
	if m < 0 || n < 0 || k < 0 {
		panic(fmt.Sprintf("gemm: %v: negative size m=%d n=%d k=%d", f, m, n, k))
	}
	if m == 0 || n == 0 {
		return
	}
	if f > TT {
		panic(fmt.Sprintf("gemm: unknown form %v", f))
	}
	fits("C", f, m, n, lenC, ldc)
	if m > 1 && ldc < n {
		panic(fmt.Sprintf("gemm: %v: rows of C overlap: ldc=%d, n=%d", f, ldc, n))
	}
	if k == 0 {
		return
	}
	if f.transA() {
		fits("A", f, k, m, lenA, lda)
	} else {
		fits("A", f, m, k, lenA, lda)
	}
	if f.transB() {
		fits("B", f, n, k, lenB, ldb)
	} else {
		fits("B", f, k, n, lenB, ldb)
	}
}

func fits(name string, f Form, rows, cols, length, ld int) {
	if ld < 0 || (rows-1)*ld+cols > length {
		panic(fmt.Sprintf("gemm: %v: %s is %d elements, want [%d,%d] with stride %d", f, name, length, rows, cols, ld))
	}
}
