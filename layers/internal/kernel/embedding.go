package kernel

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Embedding looks up rows: y[n] = W[ids[n]]. Inputs: ids int32 [n], W [v,d];
// output [n,d]. dW's rows are summed in the order of the tokens, each row in one
// part of the pool's work, so that the sum is the same at any number of threads.
type Embedding[T tensor.Float] struct {
	pool              *parallel.Pool
	n, v, d           int
	ids               []int32
	w, y, dw, dy      []T
	fresh             bool // dw is to be overwritten
	forward, backward func(part int)
}

// embedParts is how many parts the backward pass has; each adds up the rows whose
// id has its remainder. Whole rows come out of memory faster than the columns of
// all, and few parts look through the ids few times.
const embedParts = 8

// NewEmbedding returns the lookup of n ids in a table of v rows of width d.
func NewEmbedding[T tensor.Float](p *parallel.Pool, n, v, d int) *Embedding[T] {
	if n < 0 || v < 1 || d < 1 {
		panic(fmt.Sprintf("kernel: Embedding: n %d, v %d, d %d", n, v, d))
	}
	k := &Embedding[T]{pool: p, n: n, v: v, d: d}
	k.forward = func(block int) {
		for i := block * rowBlock; i < min(n, (block+1)*rowBlock); i++ {
			id := int(k.ids[i])
			if id < 0 || id >= v {
				panic(fmt.Sprintf("kernel: Embedding: id %d at position %d is outside the vocabulary of %d", id, i, v))
			}
			copy(k.y[i*d:(i+1)*d], k.w[id*d:])
		}
	}
	k.backward = func(part int) {
		for row := part; k.fresh && row < v; row += embedParts {
			clear(k.dw[row*d : (row+1)*d])
		}
		for i, id := range k.ids {
			if id%embedParts == int32(part) {
				vec.AddTo(k.dw[int(id)*d:(int(id)+1)*d], k.dy[i*d:(i+1)*d])
			}
		}
	}
	return k
}

// Name returns "embedding".
func (k *Embedding[T]) Name() string { return "embedding" }

// OutShape returns [n,d].
func (k *Embedding[T]) OutShape() []int { return []int{k.n, k.d} }

// Forward fills y; it panics on an id outside the table.
func (k *Embedding[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.ids, k.w, k.y = tensor.Data[int32](in[0]), tensor.Data[T](in[1]), tensor.Data[T](out)
	k.pool.For(blocks(k.n), k.forward)
}

// Backward accumulates into dW.
func (k *Embedding[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	if gin[1] == nil {
		return
	}
	k.fresh = gin[1].Take()
	k.ids, k.dw, k.dy = tensor.Data[int32](in[0]), tensor.Data[T](gin[1]), tensor.Data[T](gout)
	k.pool.For(embedParts, k.backward)
}

// Overwrites is true for W: clearing it is work for all threads.
func (k *Embedding[T]) Overwrites(i int) bool { return i == 1 }

// Traffic returns the bytes of a forward and a backward pass: of the table only
// the rows looked up, and all that the last backward pass cleared.
func (k *Embedding[T]) Traffic() (forward, backward int) {
	row := k.d * tensor.TypeOf[T]().Bytes()
	forward, backward = 4*k.n+2*k.n*row, 4*k.n+3*k.n*row
	if k.fresh {
		backward += k.v * row // stores of whole lines need no fetch
	}
	return forward, backward
}
