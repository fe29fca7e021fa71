package kernel

import (
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// conv is the causal depthwise convolution before a Mamba scan, for channels
// 0 ≤ c < C of a row-major signal x whose rows are ld apart:
//
//	y[t,c] = b[c] + Σ_{k<K} w[c,k]·x[t-(K-1)+k, c]
//
// A tap reaches back at most to the start of t's document. w is stored [C,1,K]
// as in Hugging Face; taps holds it as [K,C], so that a tap is one vector.
type conv[T tensor.Float] struct {
	C, K int
	taps []T // [K,C]
	b    []T // [C]
	zero []T // [C]
}

// load sets the weights of the next pass.
func (v *conv[T]) load(w, b []T) {
	if v.taps == nil {
		v.taps, v.zero = make([]T, v.C*v.K), make([]T, v.C)
	}
	for c := range v.C {
		for k := range v.K {
			v.taps[k*v.C+c] = w[c*v.K+k]
		}
	}
	v.b = b
}

func (v *conv[T]) tap(k int) []T { return v.taps[k*v.C : (k+1)*v.C] }

// row computes y [C] for time t; x(t) must be at x[t*ld:]. first is the
// earliest time a tap may read.
func (v *conv[T]) row(y, x []T, ld, t, first int) {
	C, K := v.C, v.K
	if K == 4 && t-3 >= first {
		vec.Conv4(y, x[(t-3)*ld:][:C], x[(t-2)*ld:][:C], x[(t-1)*ld:][:C], x[t*ld:][:C],
			v.tap(0), v.tap(1), v.tap(2), v.tap(3), v.b)
		return
	}
	copy(y, v.b)
	for k := max(0, K-1-(t-first)); k < K; k++ {
		vec.MulAddTo(y, v.tap(k), x[(t-(K-1)+k)*ld:][:C])
	}
}

// rowBackward computes dx [C] for time t from every later time up to K-1 whose
// document reaches back to t. dy holds the rows of times lo ≤ u < hi, C apart;
// starts holds the document starts of the whole row.
func (v *conv[T]) rowBackward(dx, dy []T, t, lo, hi int, starts []int32) {
	C, K := v.C, v.K
	at := func(u int) []T { return dy[(u-lo)*C:][:C] }
	if K == 4 && t+3 < hi && int(starts[t+3]) <= t {
		vec.Conv4(dx, at(t+3), at(t+2), at(t+1), at(t), v.tap(0), v.tap(1), v.tap(2), v.tap(3), v.zero)
		return
	}
	clear(dx)
	for k := range K {
		if u := t + K - 1 - k; u < hi && int(starts[u]) <= t {
			vec.MulAddTo(dx, v.tap(k), at(u))
		}
	}
}

// weightBackward adds dy[t]'s share to dtaps [K,C] and db [C].
func (v *conv[T]) weightBackward(dtaps, db, dy, x []T, ld, t, first int) {
	C, K := v.C, v.K
	if K == 4 && t-3 >= first {
		dw := func(k int) []T { return dtaps[k*C : (k+1)*C] }
		vec.ConvGrad4(dw(0), dw(1), dw(2), dw(3), db, dy, x[(t-3)*ld:][:C], x[(t-2)*ld:][:C], x[(t-1)*ld:][:C], x[t*ld:][:C])
		return
	}
	vec.AddTo(db, dy)
	for k := max(0, K-1-(t-first)); k < K; k++ {
		vec.MulAddTo(dtaps[k*C:(k+1)*C], dy, x[(t-(K-1)+k)*ld:][:C])
	}
}

// store adds partial sums of weight gradients, rows of [K,C] then [C], to dw
// [C,1,K] and db [C] in order; either may be nil.
func (v *conv[T]) store(dw, db, partial []T) {
	C, K := v.C, v.K
	for at := 0; at < len(partial); at += (K + 1) * C {
		p := partial[at:]
		if dw != nil {
			for k := range K {
				for c := range C {
					dw[c*K+k] += p[k*C+c]
				}
			}
		}
		if db != nil {
			vec.AddTo(db, p[K*C:(K+1)*C])
		}
	}
}
