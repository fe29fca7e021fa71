package vec

import (
	"math"

	"stillhouse/layers/tensor"
)

// Dot returns Σ x[i]·y[i].
func Dot[T tensor.Float](x, y []T) T {
	var s T
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

// Dot3 returns Σ x[i]·y[i]·z[i].
func Dot3[T tensor.Float](x, y, z []T) T {
	var s T
	for i, v := range x {
		s += v * y[i] * z[i]
	}
	return s
}

// Sum returns Σ x[i].
func Sum[T tensor.Float](x []T) T {
	var s T
	for _, v := range x {
		s += v
	}
	return s
}

// Max returns the largest x[i]; -Inf for none.
func Max[T tensor.Float](x []T) T {
	m := T(math.Inf(-1))
	for _, v := range x {
		m = max(m, v)
	}
	return m
}

// Add sets y[i] = a[i] + b[i].
func Add[T tensor.Float](y, a, b []T) {
	for i := range y {
		y[i] = a[i] + b[i]
	}
}

// AddTo sets y[i] += x[i].
func AddTo[T tensor.Float](y, x []T) {
	for i := range y {
		y[i] += x[i]
	}
}

// Mul sets y[i] = a[i]·b[i].
func Mul[T tensor.Float](y, a, b []T) {
	for i := range y {
		y[i] = a[i] * b[i]
	}
}

// MulTo sets y[i] *= x[i].
func MulTo[T tensor.Float](y, x []T) {
	for i := range y {
		y[i] *= x[i]
	}
}

// MulAddTo sets y[i] += a[i]·b[i].
func MulAddTo[T tensor.Float](y, a, b []T) {
	for i := range y {
		y[i] += a[i] * b[i]
	}
}

// Scale sets y[i] = s·x[i].
func Scale[T tensor.Float](y []T, s T, x []T) {
	for i := range y {
		y[i] = s * x[i]
	}
}

// Axpy sets y[i] += s·x[i].
func Axpy[T tensor.Float](y []T, s T, x []T) {
	for i := range y {
		y[i] += s * x[i]
	}
}

// Axpby sets y[i] = s·x[i] + r·y[i].
func Axpby[T tensor.Float](y []T, s T, x []T, r T) {
	for i := range y {
		y[i] = s*x[i] + r*y[i]
	}
}

// ScaleMul sets y[i] = s·a[i]·b[i].
func ScaleMul[T tensor.Float](y []T, s T, a, b []T) {
	for i := range y {
		y[i] = s * a[i] * b[i]
	}
}

// ScaleMulTo sets y[i] += s·a[i]·b[i].
func ScaleMulTo[T tensor.Float](y []T, s T, a, b []T) {
	for i := range y {
		y[i] += s * a[i] * b[i]
	}
}

// Exp sets y[i] = exp(x[i]). y may be x.
func Exp[T tensor.Float](y, x []T) {
	for i := range y {
		y[i] = T(math.Exp(float64(x[i])))
	}
}

// ExpSum sets y[i] = exp(s·x[i] - m) and returns Σ y[i]. y may be x.
func ExpSum[T tensor.Float](y, x []T, s, m T) T {
	var z T
	for i := range y {
		y[i] = T(math.Exp(float64(s*x[i] - m)))
		z += y[i]
	}
	return z
}

// Sigmoid sets y[i] = 1/(1+exp(-x[i])). y may be x.
func Sigmoid[T tensor.Float](y, x []T) {
	for i := range y {
		y[i] = T(1 / (1 + math.Exp(-float64(x[i]))))
	}
}

// Softplus sets y[i] = log(1+exp(x[i])), x[i] itself above 20. y may be x.
func Softplus[T tensor.Float](y, x []T) {
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
	for i := range y {
		y[i] = T(float64(x[i]) / (1 + math.Exp(-float64(x[i]))))
	}
}

// SiLUGrad sets dx[i] = dy[i]·σ(x)·(1 + x·(1-σ(x))) at x = x[i]. dx may be dy.
func SiLUGrad[T tensor.Float](dx, dy, x []T) {
	for i := range dx {
		s := 1 / (1 + math.Exp(-float64(x[i])))
		dx[i] = T(float64(dy[i]) * s * (1 + float64(x[i])*(1-s)))
	}
}

// SwiGLU sets y[i] = SiLU(g[i])·u[i].
func SwiGLU[T tensor.Float](y, g, u []T) {
	for i := range y {
		y[i] = T(float64(g[i])/(1+math.Exp(-float64(g[i])))) * u[i]
	}
}

// SwiGLUGrad sets dg[i] = dy[i]·u[i]·SiLU'(g[i]) and du[i] = dy[i]·SiLU(g[i]).
func SwiGLUGrad[T tensor.Float](dg, du, dy, g, u []T) {
	for i := range dg {
		x, d := float64(g[i]), dy[i]
		s := 1 / (1 + math.Exp(-x))
		dg[i] = d * u[i] * T(s*(1+x*(1-s)))
		du[i] = d * T(x*s)
	}
}

// AdamW updates w, m and v in place with gradient g scaled by gscale:
//
//	g' = gscale·g
//	m = β₁·m + (1-β₁)·g'
//	v = β₂·v + (1-β₂)·g'²
//	w = w·(1 - lr·decay) - (lr/c₁)·m / (sqrt(v/c₂) + eps)
//
// with c₁ = 1-β₁ᵗ and c₂ = 1-β₂ᵗ the bias corrections.
func AdamW[T tensor.Float](w, m, v, g []T, gscale, lr, decay, beta1, beta2, eps, c1, c2 T) {
	for i := range w {
		d := gscale * g[i]
		m[i] = beta1*m[i] + (1-beta1)*d
		v[i] = beta2*v[i] + (1-beta2)*d*d
		w[i] = w[i]*(1-lr*decay) - lr/c1*m[i]/(T(math.Sqrt(float64(v[i]/c2)))+eps)
	}
}
