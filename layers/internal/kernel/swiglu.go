package kernel

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// SwiGLU is y = SiLU(g)⊙u (Shazeer 2020, arXiv:2002.05202). Its input holds
// both, gate first: gu [n,2i]; y [n,i].
type SwiGLU[T tensor.Float] struct {
	pool              *parallel.Pool
	n, i              int
	gu, y, dgu, dy    []T
	forward, backward func(block int)
}

// NewSwiGLU returns the activation of n rows of width i.
func NewSwiGLU[T tensor.Float](p *parallel.Pool, n, i int) *SwiGLU[T] {
	if n < 0 || i < 1 {
		panic(fmt.Sprintf("kernel: SwiGLU: n %d, i %d", n, i))
	}
	k := &SwiGLU[T]{pool: p, n: n, i: i}
	k.forward = func(block int) {
		for r := block * rowBlock; r < min(n, (block+1)*rowBlock); r++ {
			gu := k.gu[r*2*i : (r+1)*2*i]
			vec.SwiGLU(k.y[r*i:(r+1)*i], gu[:i], gu[i:])
		}
	}
	k.backward = func(block int) {
		for r := block * rowBlock; r < min(n, (block+1)*rowBlock); r++ {
			gu, d := k.gu[r*2*i:(r+1)*2*i], k.dgu[r*2*i:(r+1)*2*i]
			vec.SwiGLUGrad(d[:i], d[i:], k.dy[r*i:(r+1)*i], gu[:i], gu[i:])
		}
	}
	return k
}

// Name returns "swiglu".
func (k *SwiGLU[T]) Name() string { return "swiglu" }

// OutShape returns [n,i].
func (k *SwiGLU[T]) OutShape() []int { return []int{k.n, k.i} }

// Keeps is false.
func (k *SwiGLU[T]) Keeps() bool { return false }

// Forward fills y.
func (k *SwiGLU[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.gu, k.y = tensor.Data[T](in[0]), tensor.Data[T](out)
	k.pool.For(blocks(k.n), k.forward)
}

// Backward overwrites the gradient of gu.
func (k *SwiGLU[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	if gin[0] == nil {
		return
	}
	k.gu, k.dgu, k.dy = tensor.Data[T](in[0]), tensor.Data[T](gin[0]), tensor.Data[T](gout)
	k.pool.For(blocks(k.n), k.backward)
}
