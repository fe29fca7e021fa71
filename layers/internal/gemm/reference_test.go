package gemm

import "math"

// reference fills in want, the result in float64 by the loop that every path
// equals up to rounding, and size, which is Σ|a·b| and bounds the error.
func (x *problem[T]) reference() {
	rs, as, bs, cs := x.lda, 1, x.ldb, 1 // strides of A over i and k, of B over k and j
	if x.f.transA() {
		rs, as = 1, x.lda
	}
	if x.f.transB() {
		bs, cs = 1, x.ldb
	}
	x.want, x.size = make([]float64, x.m*x.n), make([]float64, x.m*x.n)
	for i := range x.m {
		want, size := x.want[i*x.n:][:x.n], x.size[i*x.n:][:x.n]
		for j := range x.n {
			if x.acc {
				want[j] = float64(x.c[i*x.ldc+j])
				size[j] = math.Abs(want[j])
			}
		}
		for p := range x.k {
			a := float64(x.a[i*rs+p*as])
			for j := range want {
				v := a * float64(x.b[p*bs+j*cs])
				want[j] += v
				size[j] += math.Abs(v)
			}
		}
	}
}
