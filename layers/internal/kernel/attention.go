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
//	s_ij = (R_i q_i)·(R_j k_j)            start_i ≤ j ≤ i, i-j < Window
//	p_ij = exp(scale·s_ij - lse_i)        lse_i = log Σ_j exp(scale·s_ij)
//	o_i  = Σ_j p_ij v_j
//
// Inputs: qkv [B,T,(H+2G)P] (all q heads, then k, then v), start int32 [B,T];
// output [B,T,H·P]. As in FlashAttention (Dao et al. 2022, arXiv:2205.14135)
// scores exist for one tile of queries at a time and the backward pass computes
// them again, from the largest exponent m_i and r_i = exp(m_i - lse_i), [B,H,T]:
//
//	p_ij = exp(scale·s_ij - m_i)·r_i     D_i = Σ_j p_ij (do_i·v_j)
//	ds_ij = scale·p_ij (do_i·v_j - D_i)
//	dv_j = Σ_i p_ij do_i     dq_i = Σ_j ds_ij k_j     dk_j = Σ_i ds_ij q_i
//
// A tile's queries are some tokens' of all heads of a group, so that what these read
// is made ready once, and its scores are one row of blocks, [queries, past], so that
// each product is one call; tiles see only keys from their earliest start on. qkv and
// its gradient are read and written by whole rows, in passes of their own that turn all
// heads of a token at once: a head's part of a row is a line or two, a page from the next.
type Attention[T tensor.Float] struct {
	pool   *parallel.Pool
	size   AttentionSize
	opt    AttentionOptions
	scale  T
	per    int // query heads of a group
	tokens int // of a tile

	q    []T // rotated [B,G,T,P] of per heads: a tile's are [per,tokens,P]
	k, v []T // rotated keys and values [B,G,T,P]
	m, r []T // [B,H,T] in q's order, for a backward pass

	dk, dv []T                  // [B,G,per,T,P], the parts that every per-th tile adds up; dq takes q's place
	hidden []T                  // [T] of -Inf
	free   chan *tileScratch[T] // one for each thread

	qkv, out, dqkv, dout []T // arguments of the call under way
	start                []int32

	turn, forward, backward, gather func(item int)
}

// tileScratch is what one worker needs for a tile of queries: backward the gradients of
// scores and outputs too, and m and r where no backward pass will want them.
type tileScratch[T tensor.Float] struct {
	s, dp []T // [queries,past]
	o     []T // [queries,P] outputs, or their gradient
	m, r  []T // [queries]
}

// queryTile is the number of queries of one head whose scores exist at a time: whole
// tiles of a product, and few, for of the last block of scores half is not causal. 48,
// but 64 on a matrix unit.
var queryTile = (48 + gemm.TileRows() - 1) / gemm.TileRows() * gemm.TileRows()

// groupTile is the number of queries of several heads, about.
const groupTile = 96

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
	k := &Attention[T]{pool: p, size: s, opt: o, scale: T(o.Scale), per: s.H / s.G}
	k.tokens = min(queryTile, (groupTile+k.per-1)/k.per)
	n := s.B * s.T * s.P
	k.q, k.k, k.v = room[T](p, n*s.H), room[T](p, n*s.G), room[T](p, n*s.G)
	k.hidden = nothing(room[T](p, s.T))
	if o.Train {
		k.m, k.r, k.dk, k.dv = room[T](p, s.B*s.H*s.T), room[T](p, s.B*s.H*s.T), room[T](p, n*s.H), room[T](p, n*s.H)
	}
	k.free = make(chan *tileScratch[T], p.Threads())
	for range p.Threads() {
		queries := k.per * min(k.tokens, s.T)
		t := &tileScratch[T]{s: room[T](p, queries*apart(s.T)), o: room[T](p, queries*s.P)}
		if o.Train {
			t.dp = room[T](p, queries*apart(s.T))
		} else {
			t.m, t.r = room[T](p, queries), room[T](p, queries)
		}
		k.free <- t
	}
	k.turn, k.forward, k.backward, k.gather = k.turnRows, k.forwardTile, k.backwardTiles, k.gatherRows
	return k
}

// apart returns how many elements after another a row of n scores begins: an odd number
// of lines, so that the columns that a product reads fall into all sets of a cache.
func apart(n int) int { return (n+15)/16*16 | 16 }

// tiles returns the number of query tiles of one group.
func (k *Attention[T]) tiles() int { return (k.size.T + k.tokens - 1) / k.tokens }

// Name returns "attention".
func (k *Attention[T]) Name() string { return "attention" }

// OutShape returns [B,T,H·P].
func (k *Attention[T]) OutShape() []int { return []int{k.size.B, k.size.T, k.size.H * k.size.P} }

// UsesOut is false: D is summed over the scores.
func (k *Attention[T]) UsesOut() bool { return false }

// Forward fills the output.
func (k *Attention[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.qkv, k.start, k.out = tensor.Data[T](in[0]), tensor.Data[int32](in[1]), tensor.Data[T](out)
	k.pool.For(k.size.B*k.tiles(), k.turn)
	k.pool.For(k.size.B*k.size.G*k.tiles(), k.forward)
}

// width returns the row length of qkv.
func (k *Attention[T]) width() int { return (k.size.H + 2*k.size.G) * k.size.P }

// rows returns the sequence and the tokens of one part of the passes over rows.
func (k *Attention[T]) rows(item int) (b, lo, hi int) {
	b, lo = item/k.tiles(), item%k.tiles()*k.tokens
	return b, lo, min(k.size.T, lo+k.tokens)
}

// query returns where in q the tile of a group that holds the tokens from lo to hi has
// token t of its h-th head.
func (k *Attention[T]) query(group, h, lo, hi, t int) int {
	return ((group*k.size.T+lo)*k.per + h*(hi-lo) + t - lo) * k.size.P
}

// turnRows fills a tile's rows of q, k and v for all heads.
func (k *Attention[T]) turnRows(item int) {
	s, w := k.size, k.width()
	b, lo, hi := k.rows(item)
	for t := lo; t < hi; t++ {
		x := k.qkv[(b*s.T+t)*w:][:w]
		cos, sin := anglesAt[T](k.opt.Rope, t-int(k.start[b*s.T+t]))
		for h := range s.H {
			rotate(k.q[k.query(b*s.G+h/k.per, h%k.per, lo, hi, t):][:s.P], x[h*s.P:], cos, sin)
		}
		for g := range s.G {
			at := ((b*s.G+g)*s.T + t) * s.P
			rotate(k.k[at:][:s.P], x[(s.H+g)*s.P:], cos, sin)
			copy(k.v[at:][:s.P], x[(s.H+s.G+g)*s.P:])
		}
	}
}

// forwardTile computes one tile. The longest, which are the last of their groups, come
// first, so that no worker is left with one.
func (k *Attention[T]) forwardTile(item int) {
	s := k.size
	groups := s.B * s.G
	x := k.tileOf(item%groups, k.tiles()-1-item/groups)
	w := <-k.free
	m, r := w.m, w.r
	if k.opt.Train {
		m, r = k.m[x.at:], k.r[x.at:]
	}
	m, r = m[:x.queries], r[:x.queries]
	k.scores(x, w)
	vec.Softmax(w.s, x.ld, x.n, k.scale, m, r)
	gemm.Gemm(nil, gemm.NN, x.queries, s.P, x.n, w.s, x.ld, k.v[x.past*s.P:], s.P, w.o, s.P, false)
	for i, z := range r {
		r[i] = 1 / z
		vec.Scale(k.outOf(k.out, x, i), r[i], w.o[i*s.P:])
	}
	k.free <- w
}
