package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// AttentionSize is B sequences of T tokens, H query heads over G key/value
// heads, each P wide.
type AttentionSize struct{ B, T, H, G, P int }

// AttentionOptions completes an Attention.
type AttentionOptions struct {
	Scale  float64 // of q·k; 0: 1/sqrt(P)
	Window int     // key j is seen from i if i-j < Window; 0: all of the past
	Rope   *Rope   // nil: no positions
	Train  bool    // a backward pass will follow
}

// Attention is causal softmax attention with grouped queries: head h reads
// keys and values of group h·G/H, and, with R the rotation to a token's
// position in its document,
//
//	s_ij = scale·(R_i q_i)·(R_j k_j)    start_i ≤ j ≤ i, i-j < Window
//	p_ij = exp(s_ij - lse_i)            lse_i = log Σ_j exp(s_ij)
//	o_i  = Σ_j p_ij v_j
//
// Inputs: qkv [B,T,(H+2G)P] (all q heads, then k, then v), start int32 [B,T];
// output [B,T,H·P]. As in FlashAttention (Dao et al. 2022, arXiv:2205.14135)
// scores exist for one tile of queries at a time and the backward pass computes
// them again from lse [B,H,T]:
//
//	D_i = do_i·o_i     ds_ij = p_ij (do_i·v_j - D_i)
//	dv_j = Σ_i p_ij do_i     dq_i = scale·Σ_j ds_ij k_j     dk_j = scale·Σ_i ds_ij q_i
//
// A tile's scores are one row of blocks, [queries, past], so that each product is
// one call; tiles see only keys from their earliest start on.
type Attention[T tensor.Float] struct {
	pool  *parallel.Pool
	size  AttentionSize
	opt   AttentionOptions
	scale T

	q, k []T // rotated [B,H,T,P], scaled, and [B,G,T,P]
	lse  []T // [B,H,T], for a backward pass

	dk, dv []T                  // [B,H,T,P] what each query head adds to its group's gradient
	free   chan *tileScratch[T] // one for each thread

	qkv, out, dqkv, dout, o []T // arguments of the call under way
	start                   []int32

	turn, forward, backward, gather func(item int)
}

// tileScratch is what one worker needs: the scores of one tile and, backward,
// their gradient, and the gradient of one head's queries.
type tileScratch[T tensor.Float] struct{ s, dp, dq []T } // [queryTile,T], [T,P]

// queryTile is the number of queries whose scores exist at a time: whole tiles
// of a product, and few, for of the last block of scores half is not causal. 48,
// but 64 on a matrix unit.
var queryTile = (48 + gemm.TileRows() - 1) / gemm.TileRows() * gemm.TileRows()

// NewAttention returns the attention of one batch shape.
func NewAttention[T tensor.Float](p *parallel.Pool, s AttentionSize, o AttentionOptions) *Attention[T] {
	if s.B < 1 || s.T < 1 || s.G < 1 || s.H%s.G != 0 || s.H < 1 || s.P < 1 || o.Window < 0 {
		panic(fmt.Sprintf("kernel: Attention: size %+v, window %d", s, o.Window))
	}
	if o.Scale == 0 {
		o.Scale = 1 / math.Sqrt(float64(s.P))
	}
	if o.Rope != nil {
		o.Rope.grow(p, s.T)
	}
	k := &Attention[T]{pool: p, size: s, opt: o, scale: T(o.Scale)}
	n := s.B * s.T * s.P
	k.q, k.k = room[T](p, n*s.H), room[T](p, n*s.G)
	if o.Train {
		k.lse, k.dk, k.dv = room[T](p, s.B*s.H*s.T), room[T](p, n*s.H), room[T](p, n*s.H)
	}
	k.free = make(chan *tileScratch[T], p.Threads())
	for range p.Threads() {
		t := &tileScratch[T]{s: room[T](p, queryTile*s.T)}
		if o.Train {
			t.dp, t.dq = room[T](p, queryTile*s.T), room[T](p, s.T*s.P)
		}
		k.free <- t
	}
	k.turn, k.forward, k.backward, k.gather = k.turnKeys, k.forwardTile, k.backwardHead, k.gatherGroup
	return k
}

// tiles returns the number of query tiles of one head.
func (k *Attention[T]) tiles() int { return (k.size.T + queryTile - 1) / queryTile }

// Name returns "attention".
func (k *Attention[T]) Name() string { return "attention" }

// OutShape returns [B,T,H·P].
func (k *Attention[T]) OutShape() []int { return []int{k.size.B, k.size.T, k.size.H * k.size.P} }

// UsesOut is true: D is do·o.
func (k *Attention[T]) UsesOut() bool { return true }

// Forward fills the output.
func (k *Attention[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.qkv, k.start, k.out = tensor.Data[T](in[0]), tensor.Data[int32](in[1]), tensor.Data[T](out)
	k.pool.For(k.size.B*k.size.G*k.tiles(), k.turn)
	k.pool.For(k.size.B*k.size.H*k.tiles(), k.forward)
}

// width returns the row length of qkv.
func (k *Attention[T]) width() int { return (k.size.H + 2*k.size.G) * k.size.P }

// turnKeys fills some rows of one group's keys.
func (k *Attention[T]) turnKeys(item int) {
	s := k.size
	of, lo := item/k.tiles(), item%k.tiles()*queryTile
	k.rotate(k.k[of*s.T*s.P:], of/s.G, s.H+of%s.G, lo, min(s.T, lo+queryTile), 1)
}

// forwardTile computes one tile of queries. The longest, which are the last of
// their heads, come first, so that no worker is left with one.
func (k *Attention[T]) forwardTile(item int) {
	s := k.size
	heads := s.B * s.H
	of, i := item%heads, (k.tiles()-1-item/heads)*queryTile
	b, h := of/s.H, of%s.H
	g := h / (s.H / s.G)
	starts := k.start[b*s.T : (b+1)*s.T]
	keys, queries := k.k[(b*s.G+g)*s.T*s.P:], k.q[of*s.T*s.P:]
	values := k.qkv[b*s.T*k.width()+(s.H+s.G+g)*s.P:]
	rows := min(queryTile, s.T-i)
	k.rotate(queries, b, h, i, i+rows, k.scale)
	tile := <-k.free
	from, n := k.keysOf(starts, i, rows)
	gemm.Gemm(nil, gemm.NT, rows, n, s.P, queries[i*s.P:], s.P, keys[from*s.P:], s.P, tile.s, n, false)
	for r := range rows {
		lo, hi := k.seen(starts, i+r, from)
		m, z := softmaxRow(tile.s[r*n:(r+1)*n], lo, hi)
		if k.opt.Train {
			k.lse[of*s.T+i+r] = m + T(math.Log(float64(z)))
		}
	}
	out := k.out[(b*s.T+i)*s.H*s.P+h*s.P:]
	gemm.Gemm(nil, gemm.NN, rows, s.P, n, tile.s, n, values[from*k.width():], k.width(), out, s.H*s.P, false)
	k.free <- tile
}

// softmaxRow turns row[lo:hi] into probabilities and clears the rest. The
// normaliser was z·exp(m).
func softmaxRow[T tensor.Float](row []T, lo, hi int) (m, z T) {
	clear(row[:lo])
	clear(row[hi:])
	m = vec.Max(row[lo:hi])
	z = vec.ExpSum(row[lo:hi], row[lo:hi], 1, m)
	vec.Scale(row[lo:hi], 1/z, row[lo:hi])
	return m, z
}

// keysOf returns the range of keys that any query of a tile sees.
func (k *Attention[T]) keysOf(starts []int32, i, rows int) (from, n int) {
	from = i
	for r := range rows {
		lo, _ := k.seen(starts, i+r, 0)
		from = min(from, lo)
	}
	return from, i + rows - from
}

// seen returns the keys of query i, counted from key base.
func (k *Attention[T]) seen(starts []int32, i, base int) (lo, hi int) {
	lo = int(starts[i])
	if k.opt.Window > 0 {
		lo = max(lo, i-k.opt.Window+1)
	}
	return lo - base, i + 1 - base
}

// rotate copies times lo ≤ t < hi of sequence b's head h into dst [T,P], turned
// to their positions and scaled.
func (k *Attention[T]) rotate(dst []T, b, h, lo, hi int, scale T) {
	s, w := k.size, k.width()
	for t := lo; t < hi; t++ {
		y, x := dst[t*s.P:(t+1)*s.P], k.qkv[(b*s.T+t)*w+h*s.P:][:s.P]
		if k.opt.Rope == nil {
			vec.Scale(y, scale, x)
			continue
		}
		cos, sin := k.angles(t - int(k.start[b*s.T+t]))
		half := s.P / 2
		vec.Rotate(y[:half], y[half:], x[:half], x[half:], cos, sin)
		if scale != 1 {
			vec.Scale(y, scale, y)
		}
	}
}

func (k *Attention[T]) angles(position int) (cos, sin []T) {
	cos, sin = tables[T](k.opt.Rope)
	half := k.size.P / 2
	return cos[position*half : (position+1)*half], sin[position*half : (position+1)*half]
}
