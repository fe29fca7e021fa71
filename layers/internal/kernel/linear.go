package kernel

import (
	"fmt"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// LinearOptions says what a Linear adds to the product.
type LinearOptions struct{ Bias, Residual bool }

// Linear is y = x·Wᵀ (+ b) (+ residual), with W as Hugging Face stores it.
//
// Inputs: x [n,in], W [out,in], then b [out] with Bias, then residual [n,out]
// with Residual, whose gradient is gout itself.
//
//	dx = dy·W      dW += dyᵀ·x      db += Σ_n dy[n]
type Linear[T tensor.Float] struct {
	pool       *parallel.Pool
	n, in, out int
	opt        LinearOptions

	y, b, res []T // arguments of the call under way
	dy        []T
	partial   []T // [blocks,out] sums of dy over rowBlock rows
	fill, sum func(block int)
}

// rowBlock is the number of rows whose contributions to a weight's gradient are
// summed before the blocks are: fixed, so that sums do not depend on threads.
const rowBlock = 64

// NewLinear returns the product for n rows.
func NewLinear[T tensor.Float](p *parallel.Pool, n, in, out int, opt LinearOptions) *Linear[T] {
	if n < 0 || in < 1 || out < 1 {
		panic(fmt.Sprintf("kernel: Linear: n %d, in %d, out %d", n, in, out))
	}
	k := &Linear[T]{pool: p, n: n, in: in, out: out, opt: opt}
	if opt.Bias {
		k.partial = room[T](p, blocks(n)*out)
	}
	k.fill = func(block int) {
		for i := block * rowBlock; i < min(n, (block+1)*rowBlock); i++ {
			y := k.y[i*out : (i+1)*out]
			switch {
			case k.res == nil:
				copy(y, k.b)
			case k.b == nil:
				copy(y, k.res[i*out:])
			default:
				vec.Add(y, k.res[i*out:(i+1)*out], k.b)
			}
		}
	}
	k.sum = func(block int) {
		s := k.partial[block*out : (block+1)*out]
		clear(s)
		for i := block * rowBlock; i < min(n, (block+1)*rowBlock); i++ {
			vec.AddTo(s, k.dy[i*out:(i+1)*out])
		}
	}
	return k
}

func blocks(rows int) int { return (rows + rowBlock - 1) / rowBlock }

// Name returns "linear".
func (k *Linear[T]) Name() string { return "linear" }

// OutShape returns [n,out].
func (k *Linear[T]) OutShape() []int { return []int{k.n, k.out} }

// Passes is true for the residual.
func (k *Linear[T]) Passes(i int) bool { return k.opt.Residual && i == k.inputs()-1 }

// UsesIn is true for x and W.
func (k *Linear[T]) UsesIn(i int) bool { return i < 2 }

// Overwrites is true for W.
func (k *Linear[T]) Overwrites(i int) bool { return i == 1 }

// Keeps is false.
func (k *Linear[T]) Keeps() bool { return false }

func (k *Linear[T]) inputs() int {
	n := 2
	if k.opt.Bias {
		n++
	}
	if k.opt.Residual {
		n++
	}
	return n
}

// Forward fills y.
func (k *Linear[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	x, w := tensor.Data[T](in[0]), tensor.Data[T](in[1])
	k.y = tensor.Data[T](out)
	if k.opt.Bias {
		k.b = tensor.Data[T](in[2])
	}
	if k.opt.Residual {
		k.res = tensor.Data[T](in[k.inputs()-1])
	}
	add := k.b != nil || k.res != nil
	if add {
		k.pool.For(blocks(k.n), k.fill)
	}
	gemm.Gemm(k.pool, gemm.NT, k.n, k.out, k.in, x, k.in, w, k.in, k.y, k.out, add)
}

// Backward overwrites dx and accumulates into dW and db.
func (k *Linear[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	k.dy = tensor.Data[T](gout)
	if gin[0] != nil {
		gemm.Gemm(k.pool, gemm.NN, k.n, k.in, k.out, k.dy, k.out, tensor.Data[T](in[1]), k.in, tensor.Data[T](gin[0]), k.in, false)
	}
	if gin[1] != nil {
		add := !gin[1].Take()
		gemm.Gemm(k.pool, gemm.TN, k.out, k.in, k.n, k.dy, k.out, tensor.Data[T](in[0]), k.in, tensor.Data[T](gin[1]), k.in, add)
	}
	if k.opt.Bias && gin[2] != nil {
		k.pool.For(blocks(k.n), k.sum)
		addPartials(tensor.Data[T](gin[2]), k.partial)
	}
}

// addPartials adds every row of partial [blocks,len(dst)] to dst, in order.
func addPartials[T tensor.Float](dst, partial []T) {
	for i := 0; i < len(partial); i += len(dst) {
		vec.AddTo(dst, partial[i:i+len(dst)])
	}
}
