package vec

import "stillhouse/layers/tensor"

// Sums and products, one element at a time.

// Add sets y[i] = a[i] + b[i]. y may be a or b.
func Add[T tensor.Float](y, a, b []T) {
	if accelerated[T]() {
		n := len(y)
		add32(n, at(y, n), at(a, n), at(b, n))
		return
	}
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

// AddTo sets y[i] += x[i].
func AddTo[T tensor.Float](y, x []T) {
	if accelerated[T]() {
		n := len(y)
		addTo32(n, at(y, n), at(x, n))
		return
	}
	for i := range y {
		y[i] += x[i]
	}
}

// Mul sets y[i] = a[i]·b[i]. y may be a or b.
func Mul[T tensor.Float](y, a, b []T) {
	if accelerated[T]() {
		n := len(y)
		mul32(n, at(y, n), at(a, n), at(b, n))
		return
	}
	for i := range y {
		y[i] = a[i] * b[i]
	}
}

// MulTo sets y[i] *= x[i].
func MulTo[T tensor.Float](y, x []T) {
	if accelerated[T]() {
		n := len(y)
		mulTo32(n, at(y, n), at(x, n))
		return
	}
	for i := range y {
		y[i] *= x[i]
	}
}

// MulAddTo sets y[i] += a[i]·b[i].
func MulAddTo[T tensor.Float](y, a, b []T) {
	if accelerated[T]() {
		n := len(y)
		mulAddTo32(n, at(y, n), at(a, n), at(b, n))
		return
	}
	for i := range y {
		y[i] += a[i] * b[i]
	}
}

// Scale sets y[i] = s·x[i]. y may be x.
func Scale[T tensor.Float](y []T, s T, x []T) {
	if accelerated[T]() {
		n := len(y)
		scale32(n, at(y, n), at(x, n), float32(s))
		return
	}
	for i := range y {
		y[i] = s * x[i]
	}
}

// Axpy sets y[i] += s·x[i].
func Axpy[T tensor.Float](y []T, s T, x []T) {
	if accelerated[T]() {
		n := len(y)
		axpy32(n, at(y, n), at(x, n), float32(s))
		return
	}
	for i := range y {
		y[i] += s * x[i]
	}
}

// Axpby sets y[i] = s·x[i] + r·y[i].
func Axpby[T tensor.Float](y []T, s T, x []T, r T) {
	if accelerated[T]() {
		n := len(y)
		axpby32(n, at(y, n), at(x, n), float32(s), float32(r))
		return
	}
	for i := range y {
		y[i] = s*x[i] + r*y[i]
	}
}

// MulAddScalar sets h[i] = a[i]·h[i] + s·u[i].
func MulAddScalar[T tensor.Float](h, a, u []T, s T) {
	if accelerated[T]() {
		n := len(h)
		mulAddScalar32(n, at(h, n), at(a, n), at(u, n), float32(s))
		return
	}
	for i := range h {
		h[i] = a[i]*h[i] + s*u[i]
	}
}

// Triad sets a[i] = b[i] + s·c[i]: three streams, to measure memory bandwidth.
func Triad[T tensor.Float](a, b, c []T, s T) {
	if accelerated[T]() {
		n := len(a)
		triad32(n, at(a, n), at(b, n), at(c, n), float32(s))
		return
	}
	for i := range a {
		a[i] = b[i] + s*c[i]
	}
}
