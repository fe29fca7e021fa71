package kernel

import (
	"math"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/tensor"
)

// tile is one tile of queries: the heads of a group, of tokens tokens from first on.
type tile struct {
	b, g          int
	first, tokens int
	queries       int // of all heads
	at            int // of the first query in q
	from, n       int // keys that any of them sees
	past          int // of the first of these in k and v, by rows
	ld            int // from one query's scores to the next one's
}

// tileOf returns the i-th tile of a group, counted over all sequences.
func (k *Attention[T]) tileOf(group, i int) tile {
	s := k.size
	x := tile{b: group / s.G, g: group % s.G, first: i * k.tokens}
	x.tokens = min(k.tokens, s.T-x.first)
	x.queries, x.at = k.per*x.tokens, (group*s.T+x.first)*k.per
	x.from = x.first
	for t := range x.tokens {
		x.from = min(x.from, k.oldest(x.b, x.first+t))
	}
	x.n, x.past = x.first+x.tokens-x.from, group*s.T+x.from
	x.ld = apart(x.n)
	return x
}

// oldest returns the first key that token t of a sequence sees; the last is its own.
func (k *Attention[T]) oldest(b, t int) int {
	start := int(k.start[b*k.size.T+t])
	if k.opt.Window > 0 {
		return max(start, t-k.opt.Window+1)
	}
	return start
}

// scores fills scratch with a tile's, -Inf where a query does not see a key.
func (k *Attention[T]) scores(x tile, w *tileScratch[T]) {
	s := k.size
	gemm.Gemm(nil, gemm.NT, x.queries, x.n, s.P, k.q[x.at*s.P:], s.P, k.k[x.past*s.P:], s.P, w.s, x.ld, false)
	for i := range x.queries {
		t := x.first + i%x.tokens
		hide(w.s[i*x.ld:][:x.n], k.oldest(x.b, t)-x.from, t+1-x.from, k.hidden)
	}
}

// outOf returns what belongs to the i-th query of a tile in an output, or in its gradient.
func (k *Attention[T]) outOf(out []T, x tile, i int) []T {
	s := k.size
	h, t := x.g*k.per+i/x.tokens, x.first+i%x.tokens
	return out[((x.b*s.T+t)*s.H+h)*s.P:][:s.P]
}

// hide makes the scores outside [lo,hi) those of nothing, which hidden holds enough of.
func hide[T tensor.Float](scores []T, lo, hi int, hidden []T) {
	copy(scores[:lo], hidden)
	copy(scores[hi:], hidden)
}

// nothing fills x with -Inf, the score of what is not seen, and returns it.
func nothing[T tensor.Float](x []T) []T {
	for i := range x {
		x[i] = T(math.Inf(-1))
	}
	return x
}
