package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Slot is one parameter as the optimizer sees it: four slices of equal length.
type Slot[T tensor.Float] struct {
	W []T // weights
	G []T // gradient of the step, accumulated by the kernels' Backward
	M []T // running mean of the gradient
	V []T // running mean of its square

	LRScale float64 // multiplies the learning rate; 0 leaves W as it is
	Decay   float64 // decoupled weight decay, 0 for norms and biases
}

// Optimizer is AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) over a list
// of slots, with the global gradient norm that clipping needs:
//
//	norm := o.GradNorm()                 // not finite: stop here, weights untouched
//	o.Step(lr, 0.9, 0.95, 1e-8, ClipScale(norm, 1), t)
//
// Both run over the same chunks of at most 4096 elements, a partition of
// the slots alone, so that weights are bit-identical at any number of threads.
type Optimizer[T tensor.Float] struct {
	pool   *parallel.Pool
	slots  []Slot[T]
	chunks []adamChunk
	sums   []float64 // per chunk, Σ g²

	// The arguments of the Step under way, read by update.
	lr, beta1, beta2, eps, gscale float64
	c1, c2                        float64 // bias corrections 1-βᵗ

	norm, update func(c int)
	pass         *func(c int) // under way
	run          func(part int)
}

// adamChunk is elements [lo,hi) of a slot.
type adamChunk struct{ slot, lo, hi int }

// chunksTogether is how many chunks one part of the pool's work takes, 512 KiB of
// each vector: a thread that reads on where it was gets more out of memory than
// two that take turns.
const chunksTogether = 32

// optimizerChunk is 16 KiB of float32: long enough to hide the pool's
// bookkeeping, short enough that one chunk's sum of squares is exact to 1e-6.
const optimizerChunk = 4096

// NewOptimizer prepares an optimizer over the slots, whose memory it shares.
// M and V must be zero before step 1.
func NewOptimizer[T tensor.Float](p *parallel.Pool, slots []Slot[T]) *Optimizer[T] {
	o := &Optimizer[T]{pool: p, slots: slots}
	for i, s := range slots {
		if n := len(s.W); len(s.G) != n || len(s.M) != n || len(s.V) != n {
			panic(fmt.Sprintf("kernel: Optimizer: slot %d holds %d weights, %d gradients, moments of %d and %d", i, n, len(s.G), len(s.M), len(s.V)))
		}
		for lo := 0; lo < len(s.W); lo += optimizerChunk {
			o.chunks = append(o.chunks, adamChunk{i, lo, min(lo+optimizerChunk, len(s.W))})
		}
	}
	o.sums = make([]float64, len(o.chunks))
	o.norm = func(c int) {
		k := o.chunks[c]
		s := &o.slots[k.slot]
		o.sums[c] = 0
		if s.LRScale != 0 { // what is frozen must not clip what trains
			o.sums[c] = sumSquares(s.G[k.lo:k.hi])
		}
	}
	o.update = func(c int) {
		k := o.chunks[c]
		s := &o.slots[k.slot]
		if s.LRScale == 0 {
			return // frozen: its moments stay as they are too
		}
		vec.AdamW(s.W[k.lo:k.hi], s.M[k.lo:k.hi], s.V[k.lo:k.hi], s.G[k.lo:k.hi],
			T(o.gscale), T(o.lr*s.LRScale), T(s.Decay), T(o.beta1), T(o.beta2), T(o.eps), T(o.c1), T(o.c2))
	}
	o.run = func(part int) {
		for c := part * chunksTogether; c < min(len(o.chunks), (part+1)*chunksTogether); c++ {
			(*o.pass)(c)
		}
	}
	return o
}

// Slots returns the slots in the order given to NewOptimizer.
func (o *Optimizer[T]) Slots() []Slot[T] { return o.slots }

// GradNorm returns the Euclidean norm of all gradients together, those of slots
// with an LRScale of 0 left out. It is NaN or +Inf when any gradient is: callers
// check it before they call Step.
func (o *Optimizer[T]) GradNorm() float64 {
	o.each(&o.norm)
	var s float64
	for _, v := range o.sums {
		s += v
	}
	return math.Sqrt(s)
}

// sumSquares returns Σ g². Squares of float32 gradients leave its range above
// 1.8e19 and below 1e-23; a sum near either end is taken again in float64.
func sumSquares[T tensor.Float](g []T) float64 {
	if s := float64(vec.SumSq(g)); s > 1e-30 && s < 1e30 {
		return s
	}
	var s float64
	for _, v := range g {
		s += float64(v) * float64(v)
	}
	return s
}

// ClipScale returns what to multiply gradients of that norm by so that their
// norm is at most limit, as torch's clip_grad_norm_ does (which adds 1e-6 to
// the norm). A limit of 0 means no clipping.
func ClipScale(norm, limit float64) float64 {
	if limit > 0 && norm > limit {
		return limit / (norm + 1e-6)
	}
	return 1
}

// Step updates every slot with its gradient times gscale. t counts updates from
// 1 and corrects the bias of the moments. Decay is decoupled: W shrinks by
// lr·LRScale·Decay before the gradient moves it.
func (o *Optimizer[T]) Step(lr, beta1, beta2, eps, gscale float64, t int) {
	if t < 1 {
		panic(fmt.Sprintf("kernel: Optimizer: Step %d, want t >= 1", t))
	}
	o.lr, o.beta1, o.beta2, o.eps, o.gscale = lr, beta1, beta2, eps, gscale
	// The corrections use β as T rounds it: 1-0.999 in float32 is off by 1e-5,
	// and only the same β on both sides makes that cancel.
	o.c1 = 1 - math.Pow(float64(T(beta1)), float64(t))
	o.c2 = 1 - math.Pow(float64(T(beta2)), float64(t))
	o.each(&o.update)
}

// each runs a pass over all chunks.
func (o *Optimizer[T]) each(pass *func(c int)) {
	o.pass = pass
	o.pool.For((len(o.chunks)+chunksTogether-1)/chunksTogether, o.run)
}
