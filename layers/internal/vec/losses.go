package vec

import (
	"math"

	"stillhouse/layers/tensor"
)

// Softmax and the two divergences, a row of logits at a time. Exponentials are 0
// below leastWeight.

// ExpSum sets y[i] = exp(s·x[i] - m) and returns Σ y[i]. y may be x.
func ExpSum[T tensor.Float](y, x []T, s, m T) T {
	if accelerated[T]() {
		n := len(y)
		return T(expSum32(n, at(y, n), at(x, n), float32(s), float32(m)))
	}
	var z T
	for i := range y {
		y[i] = weight(s*x[i] - m)
		z += y[i]
	}
	return z
}

// LogSumExp returns m = max_i scale·x[i] and z = Σ exp(scale·x[i] - m); the
// logarithm of the sum is m + log z. A NaN makes both NaN; for none it is -Inf, 0.
func LogSumExp[T tensor.Float](x []T, scale T) (m, z T) {
	if accelerated[T]() {
		max, sum := logSumExp32(len(x), at(x, len(x)), float32(scale))
		return T(max), T(sum)
	}
	m = T(math.Inf(-1))
	for _, v := range x {
		m = max(m, scale*v)
	}
	for _, v := range x {
		z += weight(scale*v - m)
	}
	return m, z
}

// ReverseKLRow sets d[i] = q[i] and returns Σ q[i]·(log q[i] - log p[i]), with
// log q[i] = scale·s[i] - ls and log p[i] = scale·t[i] - lt. d may be s.
func ReverseKLRow[T tensor.Float](d, s, t []T, scale, ls, lt T) T {
	if accelerated[T]() {
		n := len(d)
		return T(reverseKLRow32(n, at(d, n), at(s, n), at(t, n), float32(scale), float32(ls), float32(lt)))
	}
	var kl T
	for i := range d {
		lq, lp := scale*s[i]-ls, scale*t[i]-lt
		d[i] = weight(lq)
		kl += d[i] * (lq - lp)
	}
	return kl
}

// ReverseKLGrad sets d[i] = w·q[i]·(log q[i] - log p[i] - kl), q and p as in
// ReverseKLRow. d may be s.
func ReverseKLGrad[T tensor.Float](d, s, t []T, scale, ls, lt, kl, w T) {
	if accelerated[T]() {
		n := len(d)
		reverseKLGrad32(n, at(d, n), at(s, n), at(t, n), float32(scale), float32(ls), float32(lt), float32(kl), float32(w))
		return
	}
	for i := range d {
		lq, lp := scale*s[i]-ls, scale*t[i]-lt
		d[i] = w * weight(lq) * (lq - lp - kl)
	}
}

// ForwardKLRow sets d[i] = q[i] - p[i] and returns Σ p[i]·(log p[i] - log q[i]),
// q and p as in ReverseKLRow. d may be s.
func ForwardKLRow[T tensor.Float](d, s, t []T, scale, ls, lt T) T {
	if accelerated[T]() {
		n := len(d)
		return T(forwardKLRow32(n, at(d, n), at(s, n), at(t, n), float32(scale), float32(ls), float32(lt)))
	}
	var kl T
	for i := range d {
		lq, lp := scale*s[i]-ls, scale*t[i]-lt
		p := weight(lp)
		d[i] = weight(lq) - p
		kl += p * (lp - lq)
	}
	return kl
}
