package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Rope holds the rotary position embedding of Su et al. 2021 (arXiv:2104.09864)
// in the rotate-half layout of Hugging Face: coordinate i is paired with i+P/2
// and turned by position·θ^(-2i/P).
type Rope struct {
	inverse []float64 // [P/2] angle of one position
	scale   float64   // of cos and sin; 1 but for YaRN
	length  int
	cos64   []float64 // [length,P/2]
	sin64   []float64
	cos32   []float32
	sin32   []float32
}

// NewRope returns tables for positions below length; head width p is even.
func NewRope(theta float64, p, length int) *Rope {
	if p < 2 || p%2 != 0 || theta <= 0 {
		panic(fmt.Sprintf("kernel: Rope: theta %g, head width %d", theta, p))
	}
	inverse := make([]float64, p/2)
	for i := range inverse {
		inverse[i] = math.Pow(theta, -2*float64(i)/float64(p))
	}
	return NewRopeFreqs(inverse, 1, length)
}

// NewRopeFreqs returns tables for given inverse frequencies [P/2], with cos and
// sin multiplied by scale. They may be of length 0: an Attention makes those that
// it is given as long as it needs them.
func NewRopeFreqs(inverse []float64, scale float64, length int) *Rope {
	r := &Rope{inverse: inverse, scale: scale}
	r.grow(nil, length)
	return r
}

// grow makes the tables reach length positions: of exactly that size, which
// appending would overshoot.
func (r *Rope) grow(p *parallel.Pool, length int) {
	if length <= r.length {
		return
	}
	half := len(r.inverse)
	cos64, sin64 := room[float64](p, length*half), room[float64](p, length*half)
	cos32, sin32 := room[float32](p, length*half), room[float32](p, length*half)
	if cos64 == nil {
		r.length = length // on paper
		return
	}
	copy(cos64, r.cos64)
	copy(sin64, r.sin64)
	copy(cos32, r.cos32)
	copy(sin32, r.sin32)
	r.cos64, r.sin64, r.cos32, r.sin32 = cos64, sin64, cos32, sin32
	for t := r.length; t < length; t++ {
		for i := range half {
			sin, cos := math.Sincos(float64(t) * r.inverse[i])
			at := t*half + i
			cos64[at], sin64[at] = r.scale*cos, r.scale*sin
			cos32[at], sin32[at] = float32(r.scale*cos), float32(r.scale*sin)
		}
	}
	r.length = length
}

// RotateRow turns one head's vector x [P] to a position, in place.
func (r *Rope) RotateRow(x []float64, position int) {
	half := len(r.inverse)
	cos, sin := r.cos64[position*half:], r.sin64[position*half:]
	for i := range half {
		a, b := x[i], x[i+half]
		x[i], x[i+half] = a*cos[i]-b*sin[i], b*cos[i]+a*sin[i]
	}
}

// tables returns the cosines and sines [length,P/2] in T.
func tables[T float32 | float64](r *Rope) (cos, sin []T) {
	var z T
	if _, ok := any(z).(float32); ok {
		return any(r.cos32).([]T), any(r.sin32).([]T)
	}
	return any(r.cos64).([]T), any(r.sin64).([]T)
}

// anglesAt returns the cosines and sines [P/2] of a position; none without positions.
func anglesAt[T tensor.Float](r *Rope, position int) (cos, sin []T) {
	if r == nil {
		return nil, nil
	}
	cos, sin = tables[T](r)
	half := len(r.inverse)
	return cos[position*half:][:half], sin[position*half:][:half]
}

// rotate sets y [P] to one head's x, turned by the angles.
func rotate[T tensor.Float](y, x, cos, sin []T) {
	if cos == nil {
		copy(y, x)
		return
	}
	half := len(cos)
	vec.Rotate(y[:half], y[half:], x[:half], x[half:], cos, sin)
}

// rotateBack undoes rotate.
func rotateBack[T tensor.Float](y, x, cos, sin []T) {
	if cos == nil {
		copy(y, x)
		return
	}
	half := len(cos)
	vec.RotateBack(y[:half], y[half:], x[:half], x[half:], cos, sin)
}
