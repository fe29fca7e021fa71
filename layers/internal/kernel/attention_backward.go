package kernel

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Backward overwrites the gradient of qkv, and what Forward left of q. One part of
// the pool's work is every per-th tile of a group; what the parts add to its keys and
// values is summed afterwards, in their order, so that nothing is summed across
// workers.
func (k *Attention[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	if gin[0] == nil {
		return
	}
	if k.dk == nil {
		panic("kernel: Attention: Backward without Train")
	}
	k.start = tensor.Data[int32](in[1])
	k.dqkv, k.dout = tensor.Data[T](gin[0]), tensor.Data[T](gout)
	k.pool.For(k.size.B*k.size.G*k.per, k.backward)
	k.pool.For(k.size.B*k.tiles(), k.gather)
}

// backwardTiles puts the gradient of some of a group's queries in their place, and
// fills one part of its keys' and values'.
func (k *Attention[T]) backwardTiles(item int) {
	s := k.size
	group, first := item/k.per, item%k.per
	dk, dv := k.dk[item*s.T*s.P:][:s.T*s.P], k.dv[item*s.T*s.P:][:s.T*s.P]
	clear(dk)
	clear(dv)
	w := <-k.free
	for i := first; i < k.tiles(); i += k.per {
		x := k.tileOf(group, i)
		for j := range x.queries {
			copy(w.o[j*s.P:], k.outOf(k.dout, x, j))
		}
		q := k.q[x.at*s.P:]
		k.scores(x, w)
		gemm.Gemm(nil, gemm.NT, x.queries, x.n, s.P, w.o, s.P, k.v[x.past*s.P:], s.P, w.dp, x.ld, false)
		vec.SoftmaxGrad(w.s, w.dp, x.ld, x.n, k.scale, k.m[x.at:][:x.queries], k.r[x.at:][:x.queries])
		gemm.Gemm(nil, gemm.TN, x.n, s.P, x.queries, w.s, x.ld, w.o, s.P, dv[x.from*s.P:], s.P, true)
		gemm.Gemm(nil, gemm.TN, x.n, s.P, x.queries, w.dp, x.ld, q, s.P, dk[x.from*s.P:], s.P, true)
		gemm.Gemm(nil, gemm.NN, x.queries, s.P, x.n, w.dp, x.ld, k.k[x.past*s.P:], s.P, q, s.P, false)
	}
	k.free <- w
}

// gatherRows writes a tile's rows of the gradient: of queries, and of a group's keys and
// values summed over the parts.
func (k *Attention[T]) gatherRows(item int) {
	s, w := k.size, k.width()
	b, lo, hi := k.rows(item)
	for t := lo; t < hi; t++ {
		dx := k.dqkv[(b*s.T+t)*w:][:w]
		cos, sin := anglesAt[T](k.opt.Rope, t-int(k.start[b*s.T+t]))
		for h := range s.H {
			rotateBack(dx[h*s.P:][:s.P], k.q[k.query(b*s.G+h/k.per, h%k.per, lo, hi, t):][:s.P], cos, sin)
		}
		for g := range s.G {
			part := func(x []T, i int) []T { return x[(((b*s.G+g)*k.per+i)*s.T+t)*s.P:][:s.P] }
			dk, dv := part(k.dk, 0), part(k.dv, 0)
			for i := 1; i < k.per; i++ {
				vec.AddTo(dk, part(k.dk, i))
				vec.AddTo(dv, part(k.dv, i))
			}
			rotateBack(dx[(s.H+g)*s.P:][:s.P], dk, cos, sin)
			copy(dx[(s.H+s.G+g)*s.P:], dv)
		}
	}
}
