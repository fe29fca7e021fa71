package vec

import "stillhouse/layers/tensor"

// The linear parts of layers: normalization, rotary positions, short convolution.

// RMSApply sets y[i] = x[i]·r·w[i]. y may be x.
func RMSApply[T tensor.Float](y, x, w []T, r T) {
	if accelerated[T]() {
		n := len(y)
		rmsApply32(n, at(y, n), at(x, n), at(w, n), float32(r))
		return
	}
	for i := range y {
		y[i] = x[i] * r * w[i]
	}
}

// RMSSums sets dw[i] += r·dy[i]·x[i] and returns Σ dy[i]·w[i]·x[i], in the order
// of sums.go.
func RMSSums[T tensor.Float](dw, dy, x, w []T, r T) T {
	if accelerated[T]() {
		n := len(dw)
		return T(rmsSums32(n, at(dw, n), at(dy, n), at(x, n), at(w, n), float32(r)))
	}
	var s T
	for i := range dw {
		dw[i] += r * dy[i] * x[i]
		s += dy[i] * w[i] * x[i]
	}
	return s
}

// RMSGrad sets dx[i] = r·w[i]·dy[i] - c·x[i]. dx may be dy.
func RMSGrad[T tensor.Float](dx, dy, x, w []T, r, c T) {
	if accelerated[T]() {
		n := len(dx)
		rmsGrad32(n, at(dx, n), at(dy, n), at(x, n), at(w, n), float32(r), float32(c))
		return
	}
	for i := range dx {
		dx[i] = r*w[i]*dy[i] - c*x[i]
	}
}

// Rotate turns the pairs (x1[i], x2[i]) by the angles of cos and sin:
// y1 = x1·cos - x2·sin, y2 = x2·cos + x1·sin. y1 may be x1 with y2 being x2.
func Rotate[T tensor.Float](y1, y2, x1, x2, cos, sin []T) {
	if accelerated[T]() {
		n := len(y1)
		rotate32(n, at(y1, n), at(y2, n), at(x1, n), at(x2, n), at(cos, n), at(sin, n))
		return
	}
	for i := range y1 {
		a, b := x1[i], x2[i]
		y1[i] = a*cos[i] - b*sin[i]
		y2[i] = b*cos[i] + a*sin[i]
	}
}

// RotateBack undoes Rotate: y1 = x1·cos + x2·sin, y2 = x2·cos - x1·sin.
func RotateBack[T tensor.Float](y1, y2, x1, x2, cos, sin []T) {
	if accelerated[T]() {
		n := len(y1)
		rotateBack32(n, at(y1, n), at(y2, n), at(x1, n), at(x2, n), at(cos, n), at(sin, n))
		return
	}
	for i := range y1 {
		a, b := x1[i], x2[i]
		y1[i] = a*cos[i] + b*sin[i]
		y2[i] = b*cos[i] - a*sin[i]
	}
}

// Conv4 sets y[i] = b[i] + x0[i]·w0[i] + x1[i]·w1[i] + x2[i]·w2[i] + x3[i]·w3[i].
func Conv4[T tensor.Float](y, x0, x1, x2, x3, w0, w1, w2, w3, b []T) {
	if accelerated[T]() {
		n := len(y)
		convFour32(n, at(y, n), at(x0, n), at(x1, n), at(x2, n), at(x3, n), at(w0, n), at(w1, n), at(w2, n), at(w3, n), at(b, n))
		return
	}
	for i := range y {
		y[i] = b[i] + x0[i]*w0[i] + x1[i]*w1[i] + x2[i]*w2[i] + x3[i]*w3[i]
	}
}

// ConvGrad4 adds to the gradients of Conv4's weights: dw_k[i] += dy[i]·x_k[i] and
// db[i] += dy[i].
func ConvGrad4[T tensor.Float](dw0, dw1, dw2, dw3, db, dy, x0, x1, x2, x3 []T) {
	if accelerated[T]() {
		n := len(db)
		convGradFour32(n, at(dw0, n), at(dw1, n), at(dw2, n), at(dw3, n), at(db, n), at(dy, n), at(x0, n), at(x1, n), at(x2, n), at(x3, n))
		return
	}
	for i := range db {
		dw0[i] += dy[i] * x0[i]
		dw1[i] += dy[i] * x1[i]
		dw2[i] += dy[i] * x2[i]
		dw3[i] += dy[i] * x3[i]
		db[i] += dy[i]
	}
}
