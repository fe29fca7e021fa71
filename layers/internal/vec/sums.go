package vec

import (
	"math"

	"stillhouse/layers/tensor"
)

// Reductions that only read. Their float32 order of addition: four running sums of
// one vector each, then the single vectors, then the rest, then halves.

// Dot returns Σ x[i]·y[i].
func Dot[T tensor.Float](x, y []T) T {
	if accelerated[T]() {
		n := len(x)
		return T(dot32(n, at(x, n), at(y, n)))
	}
	var s T
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

// SumSq returns Σ x[i]².
func SumSq[T tensor.Float](x []T) T {
	if accelerated[T]() {
		n := len(x)
		return T(sumSq32(n, at(x, n)))
	}
	var s T
	for _, v := range x {
		s += v * v
	}
	return s
}

// Max returns the largest x[i]: -Inf for none, NaN if there is one.
func Max[T tensor.Float](x []T) T {
	if accelerated[T]() {
		n := len(x)
		return T(max32(n, at(x, n)))
	}
	m := T(math.Inf(-1))
	for _, v := range x {
		m = max(m, v)
	}
	return m
}
