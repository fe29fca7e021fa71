package kernel

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// QKNormSize is n rows of H query heads and G key and value heads, P wide.
type QKNormSize struct{ N, H, G, P int }

// width returns the length of a row of qkv.
func (s QKNormSize) width() int { return (s.H + 2*s.G) * s.P }

// QKNorm normalises every query and every key head by itself, before positions
// turn them (Henry et al. 2020, arXiv:2010.04245, in Qwen3's form):
//
//	q_h = RMSNorm(q_h)⊙w_q     k_g = RMSNorm(k_g)⊙w_k     v_g = v_g
//
// Inputs: qkv [n,(H+2G)P] (all q heads, then k, then v), w_q [P], w_k [P];
// output as qkv. Forward keeps r = 1/sqrt(mean x² + eps) [n,H+G]; the gradient
// is RMSNorm's for each head.
type QKNorm[T tensor.Float] struct {
	pool *parallel.Pool
	size QKNormSize
	eps  T
	r    []T // [n,H+G]

	x, y, wq, wk      []T // arguments of the call under way
	dx, dy            []T
	partial           []T // [blocks,2P] of dw_q and dw_k
	forward, backward func(block int)
}

// NewQKNorm returns the norm of one shape.
func NewQKNorm[T tensor.Float](p *parallel.Pool, s QKNormSize, eps float64) *QKNorm[T] {
	if s.N < 0 || s.H < 1 || s.G < 1 || s.P < 1 {
		panic(fmt.Sprintf("kernel: QKNorm: size %+v", s))
	}
	k := &QKNorm[T]{pool: p, size: s, eps: T(eps), r: room[T](p, s.N*(s.H+s.G)), partial: room[T](p, blocks(s.N)*2*s.P)}
	k.forward, k.backward = k.forwardBlock, k.backwardBlock
	return k
}

// QKNormRow normalises the heads of one row of qkv into y, which may be x, and
// stores the factors in r [H+G], if not nil.
func QKNormRow[T tensor.Float](y, x, wq, wk []T, s QKNormSize, eps T, r []T) {
	for h := range s.H + s.G {
		w := wq
		if h >= s.H {
			w = wk
		}
		f := RMSNormRow(y[h*s.P:(h+1)*s.P], x[h*s.P:(h+1)*s.P], w, eps)
		if r != nil {
			r[h] = f
		}
	}
}

// Name returns "qk_norm".
func (k *QKNorm[T]) Name() string { return "qk_norm" }

// OutShape returns [n,(H+2G)P].
func (k *QKNorm[T]) OutShape() []int { return []int{k.size.N, k.size.width()} }

// Forward fills the output.
func (k *QKNorm[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.bind(in)
	k.y = tensor.Data[T](out)
	k.pool.For(blocks(k.size.N), k.forward)
}

func (k *QKNorm[T]) bind(in []*tensor.Tensor) {
	k.x, k.wq, k.wk = tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2])
}

func (k *QKNorm[T]) forwardBlock(block int) {
	s, w, heads := k.size, k.size.width(), k.size.H+k.size.G
	for i := block * rowBlock; i < min(s.N, (block+1)*rowBlock); i++ {
		x, y := k.x[i*w:(i+1)*w], k.y[i*w:(i+1)*w]
		QKNormRow(y, x, k.wq, k.wk, s, k.eps, k.r[i*heads:(i+1)*heads])
		copy(y[heads*s.P:], x[heads*s.P:])
	}
}

// Backward overwrites the gradient of qkv and accumulates into those of w_q and
// w_k.
func (k *QKNorm[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	k.bind(in)
	k.dy, k.dx = tensor.Data[T](gout), nil
	if gin[0] != nil {
		k.dx = tensor.Data[T](gin[0])
	}
	k.pool.For(blocks(k.size.N), k.backward)
	p := k.size.P
	for i := 0; i < len(k.partial); i += 2 * p {
		if gin[1] != nil {
			vec.AddTo(tensor.Data[T](gin[1]), k.partial[i:i+p])
		}
		if gin[2] != nil {
			vec.AddTo(tensor.Data[T](gin[2]), k.partial[i+p:i+2*p])
		}
	}
}

func (k *QKNorm[T]) backwardBlock(block int) {
	s, width, heads := k.size, k.size.width(), k.size.H+k.size.G
	p := s.P
	sums := k.partial[block*2*p : (block+1)*2*p]
	clear(sums)
	for i := block * rowBlock; i < min(s.N, (block+1)*rowBlock); i++ {
		for h := range heads {
			w, dw := k.wq, sums[:p]
			if h >= s.H {
				w, dw = k.wk, sums[p:]
			}
			at := i*width + h*p
			x, dy, r := k.x[at:at+p], k.dy[at:at+p], k.r[i*heads+h]
			c := r * r * r / T(p) * vec.RMSSums(dw, dy, x, w, r)
			if k.dx != nil {
				vec.RMSGrad(k.dx[at:at+p], dy, x, w, r, c)
			}
		}
		if k.dx != nil {
			copy(k.dx[i*width+heads*p:(i+1)*width], k.dy[i*width+heads*p:])
		}
	}
}
