package vec

import (
	"fmt"
	"math"

	"stillhouse/layers/tensor"
)

// The exponential and the activations made of it.

// Exp sets y[i] = exp(x[i]): 0 from -104 on, +Inf from 88.73 on, subnormal
// results included. y may be x.
func Exp[T tensor.Float](y, x []T) {
	if accelerated[T]() {
		n := len(y)
		exp32(n, at(y, n), at(x, n))
		return
	}
	for i := range y {
		y[i] = T(math.Exp(float64(x[i])))
	}
}

// leastWeight is the exponent below which a weight, in a softmax or of a decayed past,
// is 0. Beside weights near 1 what is left, 1.6e-28, is nothing; yet a little lower, or
// times a small factor, it were a denormal number, and each product with one of these
// takes an Intel processor a hundred times as long: heads that forget fast made a scan
// four times slower.
const leastWeight = -64

// weight returns exp(x), and 0 below leastWeight.
func weight[T tensor.Float](x T) T {
	if x < leastWeight {
		return 0
	}
	return T(math.Exp(float64(x)))
}

// Decay sets y[i] *= exp((h - high[i]) + (l - low[i]))·w[i]: high and low are the parts
// of numbers that float32 is too short for, and whose differences are wanted. Below
// leastWeight a difference counts as minus infinity.
func Decay[T tensor.Float](y, high, low, w []T, h, l T) {
	if accelerated[T]() {
		n := len(y)
		decay32(n, at(y, n), at(high, n), at(low, n), at(w, n), float32(h), float32(l))
		return
	}
	for i := range y {
		y[i] *= weight((h-high[i])+(l-low[i])) * w[i]
	}
}

// DecayRows is Decay of the lower triangle of a matrix y whose rows are ld apart, with h
// and l those of the row: y[i,j] *= exp(cum[i]-cum[j])·w[j] for j ≤ i < len(w), where
// cum = high + low.
func DecayRows[T tensor.Float](y []T, ld int, high, low, w []T) {
	n := len(w)
	checkTriangle("DecayRows", y, ld, n)
	if accelerated[T]() && n > 0 {
		decayRows32(n, at(y, (n-1)*ld+n), at(high, n), at(low, n), at(w, n), ld)
		return
	}
	for i := range n {
		Decay(y[i*ld:][:i+1], high, low, w, high[i], low[i])
	}
}

// DecayRowsGrad is DecayRows of y and, dy being the gradient of the result, of dy too.
// Between them it adds dy·y, the exponents' gradients, to sum, by columns and from the
// last row to the first; before[i] is what columns before i have then from rows i and
// later, Σ_{j<i} sum[j].
func DecayRowsGrad[T tensor.Float](y, dy []T, ld int, sum, before, high, low, w []T) {
	n := len(w)
	checkTriangle("DecayRowsGrad", y, ld, n)
	checkTriangle("DecayRowsGrad", dy, ld, n)
	if accelerated[T]() && n > 0 {
		decayRowsGrad32(n, at(y, (n-1)*ld+n), at(dy, (n-1)*ld+n), at(sum, n), at(high, n), at(low, n), at(w, n), at(before, n), ld)
		return
	}
	for i := n - 1; i >= 0; i-- {
		for j := range i + 1 {
			at := i*ld + j
			e := weight((high[i]-high[j])+(low[i]-low[j])) * w[j]
			y[at] *= e
			sum[j] += dy[at] * y[at]
			dy[at] *= e
		}
		before[i] = 0
		for _, v := range sum[:i] {
			before[i] += v
		}
	}
}

func checkTriangle[T tensor.Float](name string, y []T, ld, n int) {
	if ld < n || n > 0 && len(y) < (n-1)*ld+n {
		panic(fmt.Sprintf("vec: %s: %d elements for %d rows of as many, %d apart", name, len(y), n, ld))
	}
}

// Sigmoid sets y[i] = 1/(1+exp(-x[i])). y may be x.
func Sigmoid[T tensor.Float](y, x []T) {
	if accelerated[T]() {
		n := len(y)
		sigmoid32(n, at(y, n), at(x, n))
		return
	}
	for i := range y {
		y[i] = T(1 / (1 + math.Exp(-float64(x[i]))))
	}
}

// Softplus sets y[i] = log(1+exp(x[i])), x[i] itself above 20. y may be x.
func Softplus[T tensor.Float](y, x []T) {
	if accelerated[T]() {
		n := len(y)
		softplus32(n, at(y, n), at(x, n))
		return
	}
	for i := range y {
		if x[i] > 20 {
			y[i] = x[i]
		} else {
			y[i] = T(math.Log1p(math.Exp(float64(x[i]))))
		}
	}
}

// SiLU sets y[i] = x[i]·σ(x[i]). y may be x.
func SiLU[T tensor.Float](y, x []T) {
	if accelerated[T]() {
		n := len(y)
		silu32(n, at(y, n), at(x, n))
		return
	}
	for i := range y {
		y[i] = T(float64(x[i]) / (1 + math.Exp(-float64(x[i]))))
	}
}

// SiLUGrad sets dx[i] = dy[i]·σ(x)·(1 + x·(1-σ(x))) at x = x[i]. dx may be dy.
func SiLUGrad[T tensor.Float](dx, dy, x []T) {
	if accelerated[T]() {
		n := len(dx)
		siluGrad32(n, at(dx, n), at(dy, n), at(x, n))
		return
	}
	for i := range dx {
		s := 1 / (1 + math.Exp(-float64(x[i])))
		dx[i] = T(float64(dy[i]) * s * (1 + float64(x[i])*(1-s)))
	}
}

// SwiGLU sets y[i] = SiLU(g[i])·u[i]. y may be g or u.
func SwiGLU[T tensor.Float](y, g, u []T) {
	if accelerated[T]() {
		n := len(y)
		swiglu32(n, at(y, n), at(g, n), at(u, n))
		return
	}
	for i := range y {
		y[i] = T(float64(g[i])/(1+math.Exp(-float64(g[i])))) * u[i]
	}
}

// SwiGLUGrad sets dg[i] = dy[i]·u[i]·SiLU'(g[i]) and du[i] = dy[i]·SiLU(g[i]).
// dg may be g with du being u.
func SwiGLUGrad[T tensor.Float](dg, du, dy, g, u []T) {
	if accelerated[T]() {
		n := len(dg)
		swigluGrad32(n, at(dg, n), at(du, n), at(dy, n), at(g, n), at(u, n))
		return
	}
	for i := range dg {
		x, d := float64(g[i]), dy[i]
		s := 1 / (1 + math.Exp(-x))
		dg[i] = d * u[i] * T(s*(1+x*(1-s)))
		du[i] = d * T(x*s)
	}
}
