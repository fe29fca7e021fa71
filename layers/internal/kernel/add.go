package kernel

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// AddN is the sum of k inputs of n elements: a residual, or the gradients that
// meet where an activation was used more than once. Every input's gradient is
// gout itself.
type AddN[T tensor.Float] struct {
	pool *parallel.Pool
	n, k int
	in   [][]T
	y    []T
	part func(block int)
}

// addBlock is the number of elements in one part of the pool's work.
const addBlock = 16384

// NewAddN returns the sum of k inputs of n elements.
func NewAddN[T tensor.Float](p *parallel.Pool, n, k int) *AddN[T] {
	if n < 0 || k < 2 {
		panic(fmt.Sprintf("kernel: AddN: n %d, k %d", n, k))
	}
	a := &AddN[T]{pool: p, n: n, k: k, in: make([][]T, k)}
	a.part = func(block int) {
		lo, hi := block*addBlock, min(n, (block+1)*addBlock)
		y := a.y[lo:hi]
		vec.Add(y, a.in[0][lo:hi], a.in[1][lo:hi])
		for _, x := range a.in[2:] {
			vec.AddTo(y, x[lo:hi])
		}
	}
	return a
}

// Name returns "add".
func (a *AddN[T]) Name() string { return "add" }

// OutShape returns [n].
func (a *AddN[T]) OutShape() []int { return []int{a.n} }

// Passes is true for every input.
func (a *AddN[T]) Passes(int) bool { return true }

// UsesIn is false for every input.
func (a *AddN[T]) UsesIn(int) bool { return false }

// Keeps is false.
func (a *AddN[T]) Keeps() bool { return false }

// Forward fills the sum.
func (a *AddN[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	for i, t := range in {
		a.in[i] = tensor.Data[T](t)
	}
	a.y = tensor.Data[T](out)
	a.pool.For((a.n+addBlock-1)/addBlock, a.part)
}

// Backward has nothing to do: see Passes.
func (a *AddN[T]) Backward([]*tensor.Tensor, *tensor.Tensor, *tensor.Tensor, []*tensor.Tensor) {}
