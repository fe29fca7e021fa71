package kernel

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Backward overwrites the gradient of qkv. One part of the pool's work is one
// query head; what the heads of a group add to its keys and values is summed
// afterwards, in their order, so that nothing is summed across workers.
func (k *Attention[T]) Backward(gin []*tensor.Tensor, gout, out *tensor.Tensor, in []*tensor.Tensor) {
	if gin[0] == nil {
		return
	}
	if k.dk == nil {
		panic("kernel: Attention: Backward without Train")
	}
	k.qkv, k.start = tensor.Data[T](in[0]), tensor.Data[int32](in[1])
	k.dqkv, k.dout, k.o = tensor.Data[T](gin[0]), tensor.Data[T](gout), tensor.Data[T](out)
	k.pool.For(k.size.B*k.size.H, k.backward)
	k.pool.For(k.size.B*k.size.G*k.tiles(), k.gather)
}

// backwardHead fills the gradient of one head's queries, and the head's share
// of its keys' and values'.
func (k *Attention[T]) backwardHead(item int) {
	s, w := k.size, k.width()
	b, h := item/s.H, item%s.H
	g := h / (s.H / s.G)
	starts := k.start[b*s.T : (b+1)*s.T]
	at := item * s.T * s.P
	queries, lse, keys := k.q[at:], k.lse[item*s.T:], k.k[(b*s.G+g)*s.T*s.P:]
	dk, dv := k.dk[at:][:s.T*s.P], k.dv[at:][:s.T*s.P]
	values := k.qkv[b*s.T*w+(s.H+s.G+g)*s.P:]
	clear(dk)
	clear(dv)
	tile := <-k.free
	for i := 0; i < s.T; i += queryTile {
		rows := min(queryTile, s.T-i)
		from, n := k.keysOf(starts, i, rows)
		do := k.dout[(b*s.T+i)*s.H*s.P+h*s.P:]
		o := k.o[(b*s.T+i)*s.H*s.P+h*s.P:]
		gemm.Gemm(nil, gemm.NT, rows, n, s.P, queries[i*s.P:], s.P, keys[from*s.P:], s.P, tile.s, n, false)
		gemm.Gemm(nil, gemm.NT, rows, n, s.P, do, s.H*s.P, values[from*w:], w, tile.dp, n, false)
		for r := range rows {
			lo, hi := k.seen(starts, i+r, from)
			p, ds := tile.s[r*n:(r+1)*n], tile.dp[r*n:(r+1)*n]
			clear(p[:lo])
			clear(p[hi:])
			clear(ds[:lo])
			clear(ds[hi:])
			p, ds = p[lo:hi], ds[lo:hi]
			vec.ExpSum(p, p, 1, lse[i+r])
			d := vec.Dot(do[r*s.H*s.P:][:s.P], o[r*s.H*s.P:][:s.P])
			vec.MulTo(ds, p) // p·dp, and then p·(dp - D)
			vec.Axpy(ds, -d, p)
		}
		gemm.Gemm(nil, gemm.TN, n, s.P, rows, tile.s, n, do, s.H*s.P, dv[from*s.P:], s.P, true)
		gemm.Gemm(nil, gemm.TN, n, s.P, rows, tile.dp, n, queries[i*s.P:], s.P, dk[from*s.P:], s.P, true)
		gemm.Gemm(nil, gemm.NN, rows, s.P, n, tile.dp, n, keys[from*s.P:], s.P, tile.dq[i*s.P:], s.P, false)
	}
	k.unrotate(tile.dq, b, h, 0, s.T, k.scale)
	k.free <- tile
}

// gatherGroup sums some rows of one group's key and value gradients over the
// query heads that read them.
func (k *Attention[T]) gatherGroup(item int) {
	s, w, per := k.size, k.width(), k.size.H/k.size.G
	of, lo := item/k.tiles(), item%k.tiles()*queryTile
	hi := min(s.T, lo+queryTile)
	b, g := of/s.G, of%s.G
	size := s.T * s.P
	dk, dv := k.dk[of*per*size:], k.dv[of*per*size:] // the group's first head
	for j := 1; j < per; j++ {
		vec.AddTo(dk[lo*s.P:hi*s.P], dk[j*size+lo*s.P:j*size+hi*s.P])
		vec.AddTo(dv[lo*s.P:hi*s.P], dv[j*size+lo*s.P:j*size+hi*s.P])
	}
	k.unrotate(dk, b, s.H+g, lo, hi, 1) // queries carry the scale already
	for t := lo; t < hi; t++ {
		copy(k.dqkv[(b*s.T+t)*w+(s.H+s.G+g)*s.P:][:s.P], dv[t*s.P:(t+1)*s.P])
	}
}

// unrotate writes the gradient of times lo ≤ t < hi of head h from that of its
// rotated form.
func (k *Attention[T]) unrotate(src []T, b, h, lo, hi int, scale T) {
	s, w := k.size, k.width()
	for t := lo; t < hi; t++ {
		x, y := src[t*s.P:(t+1)*s.P], k.dqkv[(b*s.T+t)*w+h*s.P:][:s.P]
		if k.opt.Rope == nil {
			vec.Scale(y, scale, x)
			continue
		}
		cos, sin := k.angles(t - int(k.start[b*s.T+t]))
		half := s.P / 2
		vec.RotateBack(y[:half], y[half:], x[:half], x[half:], cos, sin)
		if scale != 1 {
			vec.Scale(y, scale, y)
		}
	}
}
