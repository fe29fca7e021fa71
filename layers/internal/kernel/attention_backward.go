package kernel

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Backward overwrites the gradient of qkv, and what Forward left of q. One part of
// the pool's work is one query head; what the heads of a group add to its keys and
// values is summed afterwards, in their order, so that nothing is summed across
// workers.
func (k *Attention[T]) Backward(gin []*tensor.Tensor, gout, out *tensor.Tensor, in []*tensor.Tensor) {
	if gin[0] == nil {
		return
	}
	if k.dk == nil {
		panic("kernel: Attention: Backward without Train")
	}
	k.start = tensor.Data[int32](in[1])
	k.dqkv, k.dout, k.o = tensor.Data[T](gin[0]), tensor.Data[T](gout), tensor.Data[T](out)
	k.pool.For(k.size.B*k.size.H, k.backward)
	k.pool.For(k.size.B*k.tiles(), k.gather)
}

// backwardHead puts the gradient of one head's queries in their place, and fills the
// head's share of its keys' and values'.
func (k *Attention[T]) backwardHead(item int) {
	s := k.size
	b, h := item/s.H, item%s.H
	starts := k.start[b*s.T : (b+1)*s.T]
	at, past := item*s.T*s.P, (b*s.G+h/(s.H/s.G))*s.T*s.P
	queries, lse, keys, values := k.q[at:], k.lse[item*s.T:], k.k[past:], k.v[past:]
	dk, dv := k.dk[at:][:s.T*s.P], k.dv[at:][:s.T*s.P]
	clear(dk)
	clear(dv)
	tile := <-k.free
	for i := 0; i < s.T; i += queryTile {
		rows := min(queryTile, s.T-i)
		from, n := k.keysOf(starts, i, rows)
		q := queries[i*s.P:]
		do := k.dout[(b*s.T+i)*s.H*s.P+h*s.P:]
		o := k.o[(b*s.T+i)*s.H*s.P+h*s.P:]
		gemm.Gemm(nil, gemm.NT, rows, n, s.P, q, s.P, keys[from*s.P:], s.P, tile.s, n, false)
		gemm.Gemm(nil, gemm.NT, rows, n, s.P, do, s.H*s.P, values[from*s.P:], s.P, tile.dp, n, false)
		for r := range rows {
			lo, hi := k.seen(starts, i+r, from)
			p, ds := tile.s[r*n:(r+1)*n], tile.dp[r*n:(r+1)*n]
			clear(p[:lo])
			clear(p[hi:])
			clear(ds[:lo])
			clear(ds[hi:])
			p, ds = p[lo:hi], ds[lo:hi]
			vec.ExpSum(p, p, k.scale, lse[i+r])
			d := vec.Dot(do[r*s.H*s.P:][:s.P], o[r*s.H*s.P:][:s.P])
			vec.SoftmaxGrad(ds, p, k.scale, d)
		}
		gemm.Gemm(nil, gemm.TN, n, s.P, rows, tile.s, n, do, s.H*s.P, dv[from*s.P:], s.P, true)
		gemm.Gemm(nil, gemm.TN, n, s.P, rows, tile.dp, n, q, s.P, dk[from*s.P:], s.P, true)
		gemm.Gemm(nil, gemm.NN, rows, s.P, n, tile.dp, n, keys[from*s.P:], s.P, q, s.P, false)
	}
	k.free <- tile
}

// gatherRows writes some rows of the gradient: of queries, and of a group's keys and
// values summed over the query heads that read them.
func (k *Attention[T]) gatherRows(item int) {
	s, w, per := k.size, k.width(), k.size.H/k.size.G
	b, lo, hi := k.rows(item)
	for t := lo; t < hi; t++ {
		dx := k.dqkv[(b*s.T+t)*w:][:w]
		cos, sin := anglesAt[T](k.opt.Rope, t-int(k.start[b*s.T+t]))
		of := func(x []T, h int) []T { return x[((b*s.H+h)*s.T+t)*s.P:][:s.P] }
		for h := range s.H {
			rotateBack(dx[h*s.P:][:s.P], of(k.q, h), cos, sin)
		}
		for g := range s.G {
			dk, dv := of(k.dk, g*per), of(k.dv, g*per)
			for h := g*per + 1; h < (g+1)*per; h++ {
				vec.AddTo(dk, of(k.dk, h))
				vec.AddTo(dv, of(k.dv, h))
			}
			rotateBack(dx[(s.H+g)*s.P:][:s.P], dk, cos, sin)
			copy(dx[(s.H+s.G+g)*s.P:], dv)
		}
	}
}
