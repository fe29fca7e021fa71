package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// RMSNorm is Zhang & Sennrich 2019 (arXiv:1910.07467), row by row:
//
//	r = 1/sqrt(mean_j x_j² + eps)       y_j = x_j·r·w_j
//	dx_j = r·w_j·dy_j - x_j·r³/d·Σ_i dy_i·w_i·x_i       dw_j += Σ_n dy_j·x_j·r
//
// Inputs: x [n,d], w [d]. Forward keeps r [n].
type RMSNorm[T tensor.Float] struct {
	pool *parallel.Pool
	n, d int
	eps  T
	r    []T // [n]

	x, w, y, dx, dy   []T // arguments of the call under way
	partial           []T // [blocks,d] of dw
	forward, backward func(block int)
}

// NewRMSNorm returns the norm of n rows of width d.
func NewRMSNorm[T tensor.Float](p *parallel.Pool, n, d int, eps float64) *RMSNorm[T] {
	if n < 0 || d < 1 {
		panic(fmt.Sprintf("kernel: RMSNorm: n %d, d %d", n, d))
	}
	k := &RMSNorm[T]{pool: p, n: n, d: d, eps: T(eps), r: room[T](p, n), partial: room[T](p, blocks(n)*d)}
	k.forward = func(block int) {
		for i := block * rowBlock; i < min(n, (block+1)*rowBlock); i++ {
			k.r[i] = RMSNormRow(k.y[i*d:(i+1)*d], k.x[i*d:(i+1)*d], k.w, k.eps)
		}
	}
	k.backward = k.backwardBlock
	return k
}

// RMSNormRow normalises one row into y, which may be x, and returns r.
func RMSNormRow[T tensor.Float](y, x, w []T, eps T) T {
	r := T(1 / math.Sqrt(float64(vec.SumSq(x)/T(len(x))+eps)))
	vec.RMSApply(y, x, w, r)
	return r
}

// Name returns "rmsnorm".
func (k *RMSNorm[T]) Name() string { return "rmsnorm" }

// OutShape returns [n,d].
func (k *RMSNorm[T]) OutShape() []int { return []int{k.n, k.d} }

// Forward fills y.
func (k *RMSNorm[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.x, k.w, k.y = tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	k.pool.For(blocks(k.n), k.forward)
}

// Backward overwrites dx and accumulates into dw.
func (k *RMSNorm[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	k.x, k.w, k.dy = tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](gout)
	k.dx = nil
	if gin[0] != nil {
		k.dx = tensor.Data[T](gin[0])
	}
	k.pool.For(blocks(k.n), k.backward)
	if gin[1] != nil {
		addPartials(tensor.Data[T](gin[1]), k.partial)
	}
}

func (k *RMSNorm[T]) backwardBlock(block int) {
	d := k.d
	dw := k.partial[block*d : (block+1)*d]
	clear(dw)
	for i := block * rowBlock; i < min(k.n, (block+1)*rowBlock); i++ {
		x, dy, r := k.x[i*d:(i+1)*d], k.dy[i*d:(i+1)*d], k.r[i]
		c := r * r * r / T(d) * vec.RMSSums(dw, dy, x, k.w, r)
		if k.dx != nil {
			vec.RMSGrad(k.dx[i*d:(i+1)*d], dy, x, k.w, r, c)
		}
	}
}
