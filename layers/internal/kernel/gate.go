package kernel

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Gate multiplies each sequence by a number: y[b,t,:] = g[b]·x[b,t,:]. Its use
// is the derivative: dg[b] = Σ_{t,d} dy·x says how much the loss cares for x.
// Inputs: x [b,t,d], g [b]; both gradients are overwritten.
type Gate[T tensor.Float] struct {
	pool                *parallel.Pool
	b, t, d             int
	x, g, y, dx, dg, dy []T
	forward, backward   func(sequence int)
}

// NewGate returns the gate of b sequences.
func NewGate[T tensor.Float](p *parallel.Pool, b, t, d int) *Gate[T] {
	if b < 0 || t < 1 || d < 1 {
		panic(fmt.Sprintf("kernel: Gate: b %d, t %d, d %d", b, t, d))
	}
	k := &Gate[T]{pool: p, b: b, t: t, d: d}
	n := t * d
	k.forward = func(i int) { vec.Scale(k.y[i*n:(i+1)*n], k.g[i], k.x[i*n:(i+1)*n]) }
	k.backward = func(i int) {
		dy := k.dy[i*n : (i+1)*n]
		if k.dg != nil {
			k.dg[i] = vec.Dot(dy, k.x[i*n:(i+1)*n])
		}
		if k.dx != nil {
			vec.Scale(k.dx[i*n:(i+1)*n], k.g[i], dy)
		}
	}
	return k
}

// Name returns "gate".
func (k *Gate[T]) Name() string { return "gate" }

// OutShape returns [b,t,d].
func (k *Gate[T]) OutShape() []int { return []int{k.b, k.t, k.d} }

// Keeps is false.
func (k *Gate[T]) Keeps() bool { return false }

// Forward fills y.
func (k *Gate[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.x, k.g, k.y = tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	k.pool.For(k.b, k.forward)
}

// Backward overwrites dx and dg.
func (k *Gate[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	k.x, k.g, k.dy = tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](gout)
	k.dx, k.dg = nil, nil
	if gin[0] != nil {
		k.dx = tensor.Data[T](gin[0])
	}
	if gin[1] != nil {
		k.dg = tensor.Data[T](gin[1])
	}
	k.pool.For(k.b, k.backward)
}
