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
// them again from lse [B,H,T]:
//
//	D_i = do_i·o_i     ds_ij = scale·p_ij (do_i·v_j - D_i)
//	dv_j = Σ_i p_ij do_i     dq_i = Σ_j ds_ij k_j     dk_j = Σ_i ds_ij q_i
//
// A tile's scores are one row of blocks, [queries, past], so that each product is
// one call; tiles see only keys from their earliest start on. qkv and its gradient
// are read and written by whole rows, in passes of their own that turn all heads of
// a token at once: a head's part of a row is a line or two, a page from the next.
type Attention[T tensor.Float] struct {
	pool  *parallel.Pool
	size  AttentionSize
	opt   AttentionOptions
	scale T

	q, k, v []T // rotated [B,H,T,P] and [B,G,T,P], values [B,G,T,P]
	lse     []T // [B,H,T], for a backward pass

	dk, dv []T                  // [B,H,T,P] what each query head adds to its group's gradient; dq takes q's place
	free   chan *tileScratch[T] // one for each thread

	qkv, out, dqkv, dout, o []T // arguments of the call under way
	start                   []int32

	turn, forward, backward, gather func(item int)
}

// tileScratch is what one worker needs: the scores of one tile, backward their
// gradient, and forward their sums.
type tileScratch[T tensor.Float] struct{ s, dp, z []T } // [queryTile,T], [queryTile]

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
	k.q, k.k, k.v = room[T](p, n*s.H), room[T](p, n*s.G), room[T](p, n*s.G)
	if o.Train {
		k.lse, k.dk, k.dv = room[T](p, s.B*s.H*s.T), room[T](p, n*s.H), room[T](p, n*s.H)
	}
	k.free = make(chan *tileScratch[T], p.Threads())
	for range p.Threads() {
		t := &tileScratch[T]{s: room[T](p, queryTile*s.T), z: room[T](p, queryTile)}
		if o.Train {
			t.dp = room[T](p, queryTile*s.T)
		}
		k.free <- t
	}
	k.turn, k.forward, k.backward, k.gather = k.turnRows, k.forwardTile, k.backwardHead, k.gatherRows
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
	k.pool.For(k.size.B*k.tiles(), k.turn)
	k.pool.For(k.size.B*k.size.H*k.tiles(), k.forward)
}

// width returns the row length of qkv.
func (k *Attention[T]) width() int { return (k.size.H + 2*k.size.G) * k.size.P }

// rows returns the sequence and the times of one part of the passes over rows.
func (k *Attention[T]) rows(item int) (b, lo, hi int) {
	b, lo = item/k.tiles(), item%k.tiles()*queryTile
	return b, lo, min(k.size.T, lo+queryTile)
}

// turnRows fills some rows of q, k and v for all heads.
func (k *Attention[T]) turnRows(item int) {
	s, w := k.size, k.width()
	b, lo, hi := k.rows(item)
	for t := lo; t < hi; t++ {
		x := k.qkv[(b*s.T+t)*w:][:w]
		cos, sin := anglesAt[T](k.opt.Rope, t-int(k.start[b*s.T+t]))
		for h := range s.H {
			rotate(k.q[((b*s.H+h)*s.T+t)*s.P:][:s.P], x[h*s.P:], cos, sin)
		}
		for g := range s.G {
			at := ((b*s.G+g)*s.T + t) * s.P
			rotate(k.k[at:][:s.P], x[(s.H+g)*s.P:], cos, sin)
			copy(k.v[at:][:s.P], x[(s.H+s.G+g)*s.P:])
		}
	}
}

// forwardTile computes one tile of queries. The longest, which are the last of
// their heads, come first, so that no worker is left with one.
func (k *Attention[T]) forwardTile(item int) {
	s := k.size
	heads := s.B * s.H
	of, i := item%heads, (k.tiles()-1-item/heads)*queryTile
	b, h := of/s.H, of%s.H
	past := (b*s.G + h/(s.H/s.G)) * s.T * s.P
	starts := k.start[b*s.T : (b+1)*s.T]
	rows := min(queryTile, s.T-i)
	tile := <-k.free
	from, n := k.keysOf(starts, i, rows)
	gemm.Gemm(nil, gemm.NT, rows, n, s.P, k.q[(of*s.T+i)*s.P:], s.P, k.k[past+from*s.P:], s.P, tile.s, n, false)
	for r := range rows {
		lo, hi := k.seen(starts, i+r, from)
		m, z := softmaxRow(tile.s[r*n:(r+1)*n], lo, hi, k.scale)
		if k.opt.Train {
			k.lse[of*s.T+i+r] = m + T(math.Log(float64(z)))
		}
		tile.z[r] = z
	}
	out := k.out[(b*s.T+i)*s.H*s.P+h*s.P:]
	gemm.Gemm(nil, gemm.NN, rows, s.P, n, tile.s, n, k.v[past+from*s.P:], s.P, out, s.H*s.P, false)
	divideRows(out, s.H*s.P, s.P, tile.z[:rows])
	k.free <- tile
}

// softmaxRow turns row[lo:hi] into exp(scale·row - m), m being the largest exponent,
// and clears the rest. z is their sum: divided by it they are probabilities, which is
// less work for what is made of a row than for the row.
func softmaxRow[T tensor.Float](row []T, lo, hi int, scale T) (m, z T) {
	clear(row[:lo])
	clear(row[hi:])
	m = scale * vec.Max(row[lo:hi])
	return m, vec.ExpSum(row[lo:hi], row[lo:hi], scale, m)
}

// divideRows divides rows of out, ldo apart, by z.
func divideRows[T tensor.Float](out []T, ldo, width int, z []T) {
	for r, sum := range z {
		row := out[r*ldo:][:width]
		vec.Scale(row, 1/sum, row)
	}
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
