package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// HiddenKind says how two hidden states are compared.
type HiddenKind uint8

// The comparisons.
const (
	MSE    HiddenKind = iota // mean over D of the squared difference
	Cosine                   // 1 - cosine of the angle
)

// String returns the recipe's spelling: mse or cosine.
func (k HiddenKind) String() string {
	switch k {
	case MSE:
		return "mse"
	case Cosine:
		return "cosine"
	}
	return fmt.Sprintf("HiddenKind(%d)", uint8(k))
}

// Hidden compares the student's hidden state x [N,D] with the teacher's
// target [N,D], one loss a row, summed under weight [N]:
//
//	out = Σ_n weight[n]·ℓ(x[n], target[n])
//
// Inputs: x, target, weight. The gradient is in x alone: the target is the
// teacher's. weight carries the mask and the mean's divisor; a row of weight 0
// is not read, so that whatever stands there cannot reach the loss.
//
// Both kinds are one difference of scaled rows, e = a·x - b·t: MSE with
// a = b = 1, and the cosine as ½|e|² with a = 1/|x|, b = 1/|t|, which loses no
// digits where 1 - cos would cancel. A row of length zero has no direction: its
// cosine loss is 1 and its gradient 0.
type Hidden[T tensor.Float] struct {
	pool *parallel.Pool
	n, d int
	kind HiddenKind

	diff []T       // one row e for each block of rows
	loss []float64 // [N], ℓ before weighting
	a, b []float64 // [N], the scales of x and target

	x, target, weight, dx []T // arguments of the call under way
	gout                  float64

	forward, backward func(block int)
}

// hiddenRows is how many rows one part of the pool's work holds.
const hiddenRows = 16

// NewHidden returns the loss over n rows of width d.
func NewHidden[T tensor.Float](p *parallel.Pool, n, d int, kind HiddenKind) *Hidden[T] {
	if n < 0 || d < 1 || kind > Cosine {
		panic(fmt.Sprintf("kernel: Hidden: %v over [%d,%d]", kind, n, d))
	}
	k := &Hidden[T]{pool: p, n: n, d: d, kind: kind,
		diff: room[T](p, hiddenBlocks(n)*d), loss: room[float64](p, n), a: room[float64](p, n), b: room[float64](p, n)}
	k.forward = func(block int) {
		for i := block * hiddenRows; i < min(n, (block+1)*hiddenRows); i++ {
			k.forwardRow(i, k.diff[block*d:(block+1)*d])
		}
	}
	k.backward = func(block int) {
		for i := block * hiddenRows; i < min(n, (block+1)*hiddenRows); i++ {
			k.backwardRow(i)
		}
	}
	return k
}

// hiddenBlocks returns the number of parts n rows make.
func hiddenBlocks(n int) int { return (n + hiddenRows - 1) / hiddenRows }

// Name returns "hidden_mse" or "hidden_cosine".
func (k *Hidden[T]) Name() string { return "hidden_" + k.kind.String() }

// OutShape is a scalar's.
func (k *Hidden[T]) OutShape() []int { return nil }

// Forward sets out to the weighted sum of the row losses.
func (k *Hidden[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.x, k.target, k.weight = tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2])
	k.pool.For(hiddenBlocks(k.n), k.forward)
	var s float64
	for i, l := range k.loss {
		if w := float64(k.weight[i]); w != 0 {
			s += w * l
		}
	}
	tensor.Data[T](out)[0] = T(s)
}

func (k *Hidden[T]) forwardRow(i int, e []T) {
	x, t := k.x[i*k.d:(i+1)*k.d], k.target[i*k.d:(i+1)*k.d]
	k.a[i], k.b[i], k.loss[i] = 1, 1, 0
	if k.weight[i] == 0 {
		return
	}
	scale := 1 / float64(k.d)
	if k.kind == Cosine {
		xx, tt := float64(vec.Dot(x, x)), float64(vec.Dot(t, t))
		if xx == 0 || tt == 0 {
			k.a[i], k.loss[i] = 0, 1
			return
		}
		k.a[i], k.b[i], scale = 1/math.Sqrt(xx), 1/math.Sqrt(tt), 0.5
	}
	copy(e, t)
	vec.Axpby(e, T(k.a[i]), x, T(-k.b[i]))
	k.loss[i] = scale * float64(vec.Dot(e, e))
}

// Backward overwrites gin[0]; target and weight have no gradient.
//
//	mse     dx = 2/D·(x - t)
//	cosine  dx = (x̂ - t̂ - ℓ·x̂)/|x|     x̂ = x/|x|
func (k *Hidden[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	if gin[0] == nil {
		return
	}
	k.x, k.target, k.weight = tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2])
	k.dx, k.gout = tensor.Data[T](gin[0]), float64(tensor.Data[T](gout)[0])
	k.pool.For(hiddenBlocks(k.n), k.backward)
}

func (k *Hidden[T]) backwardRow(i int) {
	x, t, dx := k.x[i*k.d:(i+1)*k.d], k.target[i*k.d:(i+1)*k.d], k.dx[i*k.d:(i+1)*k.d]
	g := k.gout * float64(k.weight[i])
	if g == 0 || k.a[i] == 0 {
		clear(dx)
		return
	}
	sx, st := 2*g/float64(k.d), 2*g/float64(k.d)
	if k.kind == Cosine {
		g *= k.a[i]
		sx, st = g*k.a[i]*(1-k.loss[i]), g*k.b[i]
	}
	copy(dx, t)
	vec.Axpby(dx, T(sx), x, T(-st))
}

// SumScalars is the weighted sum of scalars, Σ weights[i]·in[i]: how the terms
// of an objective become the one loss that gradients start from.
type SumScalars[T tensor.Float] struct{ weights []float64 }

// NewSumScalars returns the sum of k scalars. It keeps weights, not a copy.
func NewSumScalars[T tensor.Float](k int, weights []float64) *SumScalars[T] {
	if len(weights) != k {
		panic(fmt.Sprintf("kernel: SumScalars: %d weights, want %d", len(weights), k))
	}
	return &SumScalars[T]{weights}
}

// Name returns "sum_scalars".
func (k *SumScalars[T]) Name() string { return "sum_scalars" }

// OutShape is a scalar's.
func (k *SumScalars[T]) OutShape() []int { return nil }

// UsesIn is false: the gradient is the weights themselves.
func (k *SumScalars[T]) UsesIn(int) bool { return false }

// Forward adds in float64. A scalar of weight 0 is not read.
func (k *SumScalars[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	var s float64
	for i, w := range k.weights {
		if w != 0 {
			s += w * float64(tensor.Data[T](in[i])[0])
		}
	}
	tensor.Data[T](out)[0] = T(s)
}

// Backward overwrites the wanted gin[i] with weights[i]·gout.
func (k *SumScalars[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, _ []*tensor.Tensor) {
	g := float64(tensor.Data[T](gout)[0])
	for i, w := range k.weights {
		if gin[i] != nil {
			tensor.Data[T](gin[i])[0] = T(w * g)
		}
	}
}
