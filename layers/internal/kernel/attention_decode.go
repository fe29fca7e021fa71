package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// keyBlock is the number of tokens whose keys lie together, transposed: a product
// with them reads memory from one end to the other, and the keys of a block stay
// in the L1 for the next head.
const keyBlock = 64

// keySpan is the number of tokens that one part of the pool's work reads for a single
// new one: groups alone are often fewer than threads, or no multiple of them.
const keySpan = 4 * keyBlock

// fewQueries is how many rows of queries are worth no blocked product.
const fewQueries = 8

// AttentionCache is attention one step at a time: the rotated keys
// [B,G,·,P,keyBlock] and the values [B,G,·,P] of every token read, growing with
// the context. Both products read the cache in place. Extending by any split of
// the same tokens gives what Attention gives.
//
// A single token's past is read in spans (Dao et al. 2023, Flash-Decoding), each with
// a softmax of its own. With m_s the largest exponent of a span, z_s the sum of its
// exp(scale·s_j - m_s) and y_s that of its exp(scale·s_j - m_s) v_j,
//
//	o = Σ_s exp(m_s - m) y_s / Σ_s exp(m_s - m) z_s      m = max_s m_s
type AttentionCache[T tensor.Float] struct {
	pool  *parallel.Pool
	size  AttentionSize // T is the capacity asked for
	opt   AttentionOptions
	scale T
	pos   int
	// capacity is how many tokens there is room for: whole blocks.
	capacity int
	k, v     []T // [B·G,capacity·P]
	parts    []T // [B·G,spans,H/G,P+2]: y, then m and z
	hidden   []T // of -Inf, as many as a tile's queries differ by and a block's keys
	free     chan *cacheScratch[T]

	n                int // arguments of the call under way
	out              []T
	qkv              []T
	span, keep, read func(item int)
}

// cacheScratch is what one worker needs: rotated queries, of a tile of tokens or
// of the heads of a group, their scores, the largest exponents and the sums of these.
type cacheScratch[T tensor.Float] struct{ q, s, m, z []T } // [·,P], [·,capacity], [·]

// NewAttentionCache returns an empty cache with room for s.T tokens.
func NewAttentionCache[T tensor.Float](p *parallel.Pool, s AttentionSize, o AttentionOptions) *AttentionCache[T] {
	if o.Scale == 0 {
		o.Scale = 1 / math.Sqrt(float64(s.P))
	}
	c := &AttentionCache[T]{pool: p, size: s, opt: o, scale: T(o.Scale)}
	c.hidden = nothing(make([]T, queryTile+keyBlock))
	c.free = make(chan *cacheScratch[T], p.Threads())
	for range p.Threads() {
		rows := max(queryTile, s.H/s.G)
		c.free <- &cacheScratch[T]{q: make([]T, rows*s.P), m: make([]T, rows), z: make([]T, rows)}
	}
	c.span, c.keep, c.read = c.readSpan, c.keepGroup, c.readTile
	c.reserve(s.T)
	return c
}

// reserve makes room for tokens in all, keeping what is cached.
func (c *AttentionCache[T]) reserve(tokens int) {
	tokens = (tokens + keyBlock - 1) / keyBlock * keyBlock
	if c.opt.Rope != nil {
		c.opt.Rope.grow(nil, tokens)
	}
	if tokens <= c.capacity {
		return
	}
	items, p := c.size.B*c.size.G, c.size.P
	both := tensor.Make[T](2 * items * tokens * p) // one array is sooner large enough for huge pages
	k, v := both[:items*tokens*p], both[items*tokens*p:]
	for i, old := 0, c.capacity*p; i < items; i++ {
		copy(k[i*tokens*p:], c.k[i*old:(i+1)*old])
		copy(v[i*tokens*p:], c.v[i*old:(i+1)*old])
	}
	c.k, c.v, c.capacity = k, v, tokens
}

// Reset forgets every token; the memory stays.
func (c *AttentionCache[T]) Reset() { c.pos = 0 }

// Bytes returns the memory of the tokens cached.
func (c *AttentionCache[T]) Bytes() int {
	return 2 * c.size.B * c.size.G * c.pos * c.size.P * tensor.TypeOf[T]().Bytes()
}

// Seen returns the memory of the tokens that the last one read attends to.
func (c *AttentionCache[T]) Seen() int {
	tokens := c.pos
	if c.opt.Window > 0 {
		tokens = min(tokens, c.opt.Window)
	}
	return 2 * c.size.B * c.size.G * tokens * c.size.P * tensor.TypeOf[T]().Bytes()
}

// Extend reads n tokens a sequence, qkv [B,n,(H+2G)P], and fills out [B,n,H·P].
func (c *AttentionCache[T]) Extend(out, qkv []T, n int) {
	if n < 1 {
		panic(fmt.Sprintf("kernel: AttentionCache: Extend by %d tokens", n))
	}
	if c.pos+n > c.capacity {
		c.reserve(max(c.pos+n, 2*c.capacity))
	}
	c.out, c.qkv, c.n = out, qkv, n
	if n == 1 {
		items, size := c.size.B*c.size.G*c.spans(), c.size.H/c.size.G*(c.size.P+2)
		if len(c.parts) < items*size {
			c.parts = make([]T, 2*items*size)
		}
		c.pool.For(items, c.span)
		c.join()
	} else {
		c.pool.For(c.size.B*c.size.G, c.keep)
		c.pool.For(c.size.B*c.size.H*c.tiles(), c.read)
	}
	c.pos += n
}

// tiles returns the number of tiles of queries of one head.
func (c *AttentionCache[T]) tiles() int { return (c.n + queryTile - 1) / queryTile }

// width returns the row length of qkv.
func (c *AttentionCache[T]) width() int { return (c.size.H + 2*c.size.G) * c.size.P }

// keepGroup adds the keys and values of the new tokens to one group's.
func (c *AttentionCache[T]) keepGroup(item int) {
	s := c.size
	b, g, p := item/s.G, item%s.G, s.P
	keys, values := c.k[item*c.capacity*p:], c.v[item*c.capacity*p:]
	w := <-c.free
	for t := range c.n {
		row, at := c.qkv[(b*c.n+t)*c.width():], c.pos+t
		key := w.q[:p]
		c.turn(key, row[(s.H+g)*p:][:p], at)
		block := keys[at/keyBlock*keyBlock*p+at%keyBlock:]
		for e, v := range key {
			block[e*keyBlock] = v
		}
		copy(values[at*p:][:p], row[(s.H+s.G+g)*p:])
	}
	c.free <- w
}

// spans returns how many spans of the past a single new token sees.
func (c *AttentionCache[T]) spans() int { return c.pos/keySpan - c.oldest(c.pos)/keySpan + 1 }

// readSpan does one span of one group for a single token: its heads are the rows of
// the products, so that the cache is read once for all of them.
func (c *AttentionCache[T]) readSpan(item int) {
	s := c.size
	of, span := item/c.spans(), item%c.spans()
	b, g, p, heads := of/s.G, of%s.G, s.P, s.H/s.G
	lo := (c.oldest(c.pos)/keySpan + span) * keySpan
	from, end := max(lo, c.oldest(c.pos)), min(lo+keySpan, c.pos+1)
	if end > c.pos {
		c.keepGroup(of)
	}
	w := <-c.free
	for h := range heads {
		c.turn(w.q[h*p:(h+1)*p], c.qkv[b*c.width()+(g*heads+h)*p:][:p], c.pos)
	}
	part := c.parts[item*heads*(p+2):][:heads*(p+2)]
	c.attend(w, of, heads, c.pos, 0, from, end, part, p+2)
	for h := range heads {
		part[h*(p+2)+p], part[h*(p+2)+p+1] = w.m[h], w.z[h]
	}
	c.free <- w
}

// join puts the spans of a single token together.
func (c *AttentionCache[T]) join() {
	s := c.size
	p, heads, spans := s.P, s.H/s.G, c.spans()
	for head := range s.B * s.H {
		of, h := head/heads, head%heads
		part := func(span int) []T { return c.parts[((of*spans+span)*heads+h)*(p+2):][:p+2] }
		m, z := T(math.Inf(-1)), T(0)
		for i := range spans {
			m = max(m, part(i)[p])
		}
		out := c.out[head*p:][:p]
		clear(out)
		for i := range spans {
			y := part(i)
			e := T(math.Exp(float64(y[p] - m)))
			vec.Axpy(out, e, y[:p])
			z += e * y[p+1]
		}
		vec.Scale(out, 1/z, out)
	}
}

// readTile does one head of some of several tokens. The longest tiles, which are
// the last, come first, so that no worker is left with one.
func (c *AttentionCache[T]) readTile(item int) {
	s := c.size
	heads, p := s.B*s.H, s.P
	of, i := item%heads, (c.tiles()-1-item/heads)*queryTile
	b, h := of/s.H, of%s.H
	rows := min(queryTile, c.n-i)
	w := <-c.free
	for r := range rows {
		c.turn(w.q[r*p:(r+1)*p], c.qkv[(b*c.n+i+r)*c.width()+h*p:][:p], c.pos+i+r)
	}
	first, out := c.pos+i, c.out[((b*c.n+i)*s.H+h)*p:]
	c.attend(w, b*s.G+h/(s.H/s.G), rows, first, 1, c.oldest(first), first+rows, out, s.H*p)
	for r, z := range w.z[:rows] {
		y := out[r*s.H*p:][:p]
		vec.Scale(y, 1/z, y)
	}
	c.free <- w
}

// attend fills rows of out, ldo apart, with what the queries in w make of a group's
// past between two tokens, each of which some query sees: query r is that of position
// first+r·step. It leaves the largest exponents and the sums that divide out in w.
func (c *AttentionCache[T]) attend(w *cacheScratch[T], item, rows, first, step, from, end int, out []T, ldo int) {
	p := c.size.P
	keys, values := c.k[item*c.capacity*p:][:c.capacity*p], c.v[item*c.capacity*p:][:c.capacity*p]
	base := from / keyBlock * keyBlock
	n := (end - base + keyBlock - 1) / keyBlock * keyBlock // whole blocks: what is beyond the end is never used
	if need := rows * n; len(w.s) < need {
		w.s = make([]T, len(w.q)/p*c.capacity)
	}
	for at := base; at < end; at += keyBlock {
		multiply(w.s[at-base:], n, w.q, p, rows, keys[at*p:], keyBlock, p, keyBlock)
	}
	for r := range rows {
		position := first + r*step
		lo, hi := max(from, c.oldest(position)), min(end, position+1)
		hide(w.s[r*n:(r+1)*n], lo-base, hi-base, c.hidden)
	}
	vec.Softmax(w.s, n, n, c.scale, w.m[:rows], w.z[:rows])
	multiply(out, ldo, w.s[from-base:], n, rows, values[from*p:], p, end-from, p)
}

// multiply sets y [rows,width] to a·x over n rows of x: few rows of a are bound by
// the memory of x, many by arithmetic.
func multiply[T tensor.Float](y []T, ldy int, a []T, lda, rows int, x []T, ldx, n, width int) {
	if rows <= fewQueries {
		vec.Mix(y, ldy, a, lda, rows, x, ldx, n, width)
		return
	}
	gemm.Gemm(nil, gemm.NN, rows, width, n, a, lda, x, ldx, y, ldy, false)
}

// oldest returns the first key that a position sees.
func (c *AttentionCache[T]) oldest(position int) int {
	if c.opt.Window > 0 {
		return max(0, position-c.opt.Window+1)
	}
	return 0
}

// turn copies x to y, rotated to a position.
func (c *AttentionCache[T]) turn(y, x []T, position int) {
	cos, sin := anglesAt[T](c.opt.Rope, position)
	rotate(y, x, cos, sin)
}
