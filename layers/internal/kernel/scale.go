package kernel

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Scale multiplies n elements by a constant: y = s·x, dx = s·dy. It is what a
// model's own multipliers (of embeddings, residuals, logits) need.
type Scale[T tensor.Float] struct {
	pool  *parallel.Pool
	n     int
	s     T
	dst   []T // arguments of the call under way: dst = s·src
	src   []T
	block func(block int)
}

// NewScale returns the product of n elements with s.
func NewScale[T tensor.Float](p *parallel.Pool, n int, s float64) *Scale[T] {
	if n < 0 {
		panic(fmt.Sprintf("kernel: Scale: n %d", n))
	}
	k := &Scale[T]{pool: p, n: n, s: T(s)}
	k.block = func(block int) {
		lo, hi := block*addBlock, min(n, (block+1)*addBlock)
		vec.Scale(k.dst[lo:hi], k.s, k.src[lo:hi])
	}
	return k
}

// Name returns "scale".
func (k *Scale[T]) Name() string { return "scale" }

// OutShape returns [n].
func (k *Scale[T]) OutShape() []int { return []int{k.n} }

// UsesIn is false: the derivative is the constant.
func (k *Scale[T]) UsesIn(int) bool { return false }

// Keeps is false.
func (k *Scale[T]) Keeps() bool { return false }

// Forward fills y.
func (k *Scale[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.run(out, in[0])
}

// Backward overwrites dx.
func (k *Scale[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, _ []*tensor.Tensor) {
	if gin[0] != nil {
		k.run(gin[0], gout)
	}
}

func (k *Scale[T]) run(dst, src *tensor.Tensor) {
	k.dst, k.src = tensor.Data[T](dst), tensor.Data[T](src)
	k.pool.For((k.n+addBlock-1)/addBlock, k.block)
}
