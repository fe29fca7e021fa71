package vec

import (
	"math"

	"stillhouse/layers/tensor"
)

// SumSq returns Σ x[i]².
func SumSq[T tensor.Float](x []T) T {
	var s T
	for _, v := range x {
		s += v * v
	}
	return s
}

// RMSApply sets y[i] = x[i]·r·w[i]. y may be x.
func RMSApply[T tensor.Float](y, x, w []T, r T) {
	for i := range y {
		y[i] = x[i] * r * w[i]
	}
}

// RMSGrad sets dx[i] = r·w[i]·dy[i] - c·x[i].
func RMSGrad[T tensor.Float](dx, dy, x, w []T, r, c T) {
	for i := range dx {
		dx[i] = r*w[i]*dy[i] - c*x[i]
	}
}

// Rotate turns the pairs (x1[i], x2[i]) by the angles of cos and sin:
// y1 = x1·cos - x2·sin, y2 = x2·cos + x1·sin. y1 may be x1 with y2 being x2.
func Rotate[T tensor.Float](y1, y2, x1, x2, cos, sin []T) {
	for i := range y1 {
		a, b := x1[i], x2[i]
		y1[i] = a*cos[i] - b*sin[i]
		y2[i] = b*cos[i] + a*sin[i]
	}
}

// RotateBack undoes Rotate: y1 = x1·cos + x2·sin, y2 = x2·cos - x1·sin.
func RotateBack[T tensor.Float](y1, y2, x1, x2, cos, sin []T) {
	for i := range y1 {
		a, b := x1[i], x2[i]
		y1[i] = a*cos[i] + b*sin[i]
		y2[i] = b*cos[i] - a*sin[i]
	}
}

// Conv4 sets y[i] = b[i] + x0[i]·w0[i] + x1[i]·w1[i] + x2[i]·w2[i] + x3[i]·w3[i].
func Conv4[T tensor.Float](y, x0, x1, x2, x3, w0, w1, w2, w3, b []T) {
	for i := range y {
		y[i] = b[i] + x0[i]*w0[i] + x1[i]*w1[i] + x2[i]*w2[i] + x3[i]*w3[i]
	}
}

// MulAddScalar sets h[i] = a[i]·h[i] + s·u[i].
func MulAddScalar[T tensor.Float](h, a, u []T, s T) {
	for i := range h {
		h[i] = a[i]*h[i] + s*u[i]
	}
}

// LogSumExp returns m = max_i scale·x[i] and Σ exp(scale·x[i] - m).
func LogSumExp[T tensor.Float](x []T, scale T) (m, z T) {
	m = T(math.Inf(-1))
	for _, v := range x {
		m = max(m, scale*v)
	}
	for _, v := range x {
		z += T(math.Exp(float64(scale*v - m)))
	}
	return m, z
}

// ReverseKLRow sets d[i] = q[i] and returns Σ q[i]·(log q[i] - log p[i]), with
// log q[i] = scale·s[i] - ls and log p[i] = scale·t[i] - lt.
func ReverseKLRow[T tensor.Float](d, s, t []T, scale, ls, lt T) T {
	var kl T
	for i := range d {
		lq, lp := scale*s[i]-ls, scale*t[i]-lt
		d[i] = T(math.Exp(float64(lq)))
		kl += d[i] * (lq - lp)
	}
	return kl
}

// ReverseKLGrad sets d[i] = w·q[i]·(log q[i] - log p[i] - kl), q and p as in
// ReverseKLRow.
func ReverseKLGrad[T tensor.Float](d, s, t []T, scale, ls, lt, kl, w T) {
	for i := range d {
		lq, lp := scale*s[i]-ls, scale*t[i]-lt
		d[i] = w * T(math.Exp(float64(lq))) * (lq - lp - kl)
	}
}

// ForwardKLRow sets d[i] = q[i] - p[i] and returns Σ p[i]·(log p[i] - log q[i]),
// q and p as in ReverseKLRow.
func ForwardKLRow[T tensor.Float](d, s, t []T, scale, ls, lt T) T {
	var kl T
	for i := range d {
		lq, lp := scale*s[i]-ls, scale*t[i]-lt
		p := T(math.Exp(float64(lp)))
		d[i] = T(math.Exp(float64(lq))) - p
		kl += p * (lp - lq)
	}
	return kl
}

// Triad sets a[i] = b[i] + s·c[i]: three streams, to measure memory bandwidth.
func Triad[T tensor.Float](a, b, c []T, s T) {
	for i := range a {
		a[i] = b[i] + s*c[i]
	}
}
