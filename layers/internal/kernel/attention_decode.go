package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// AttentionCache is attention one step at a time: the rotated keys [B,G,P,·] and
// the values [B,G,·,P] of every token read, growing with the context. Keys lie
// transposed, so that both products read the cache in place. Extending by any
// split of the same tokens gives what Attention gives.
type AttentionCache[T tensor.Float] struct {
	pool  *parallel.Pool
	size  AttentionSize // T is the capacity
	opt   AttentionOptions
	scale T
	pos   int
	// capacity is how many tokens there is room for.
	capacity int
	k, v     [][]T // [B·G] of [P,capacity] and [capacity,P]

	q    [][]T // [B·G] of rotated queries of one tile, and one rotated key
	s    [][]T // [B·G] of scores
	n    int   // arguments of the call under way
	out  []T
	qkv  []T
	work func(group int)
}

// NewAttentionCache returns an empty cache with room for s.T tokens.
func NewAttentionCache[T tensor.Float](p *parallel.Pool, s AttentionSize, o AttentionOptions) *AttentionCache[T] {
	if o.Scale == 0 {
		o.Scale = 1 / math.Sqrt(float64(s.P))
	}
	c := &AttentionCache[T]{pool: p, size: s, opt: o, scale: T(o.Scale)}
	items := s.B * s.G
	c.k, c.v, c.q, c.s = make([][]T, items), make([][]T, items), make([][]T, items), make([][]T, items)
	c.work = c.extendGroup
	c.reserve(s.T)
	return c
}

// reserve makes room for tokens in all, keeping what is cached.
func (c *AttentionCache[T]) reserve(tokens int) {
	if c.opt.Rope != nil {
		c.opt.Rope.grow(nil, tokens)
	}
	p, old := c.size.P, c.capacity
	if tokens <= old {
		return
	}
	for i := range c.k {
		k, v := make([]T, p*tokens), make([]T, tokens*p)
		for e := range p {
			copy(k[e*tokens:], c.k[i][e*old:e*old+c.pos])
		}
		copy(v, c.v[i])
		c.k[i], c.v[i] = k, v
		c.q[i], c.s[i] = make([]T, (queryTile+1)*p), make([]T, queryTile*tokens)
	}
	c.capacity = tokens
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
	c.pool.For(c.size.B*c.size.G, c.work)
	c.pos += n
}

func (c *AttentionCache[T]) extendGroup(item int) {
	s := c.size
	b, g, p := item/s.G, item%s.G, s.P
	width := (s.H + 2*s.G) * p
	keys, values, q, score := c.k[item], c.v[item], c.q[item], c.s[item]
	key := q[queryTile*p:]
	for t := range c.n {
		row := c.qkv[(b*c.n+t)*width:]
		c.turn(key, row[(s.H+g)*p:][:p], c.pos+t)
		for e, v := range key {
			keys[e*c.capacity+c.pos+t] = v
		}
		copy(values[(c.pos+t)*p:][:p], row[(s.H+s.G+g)*p:])
	}
	for h := g * (s.H / s.G); h < (g+1)*(s.H/s.G); h++ {
		for i := 0; i < c.n; i += queryTile {
			rows := min(queryTile, c.n-i)
			first := c.pos + i // the position of the tile's first query
			from := 0
			if c.opt.Window > 0 {
				from = max(0, first-c.opt.Window+1)
			}
			keysSeen := first + rows - from
			for r := range rows {
				x := c.qkv[(b*c.n+i+r)*width+h*p:][:p]
				c.turn(q[r*p:(r+1)*p], x, first+r)
			}
			vec.Scale(q[:rows*p], c.scale, q[:rows*p])
			gemm.Gemm(nil, gemm.NN, rows, keysSeen, p, q, p, keys[from:], c.capacity, score, keysSeen, false)
			for r := range rows {
				lo := 0
				if c.opt.Window > 0 {
					lo = max(0, first+r-c.opt.Window+1-from)
				}
				softmaxRow(score[r*keysSeen:(r+1)*keysSeen], lo, first+r+1-from)
			}
			gemm.Gemm(nil, gemm.NN, rows, p, keysSeen, score, keysSeen, values[from*p:], p,
				c.out[(b*c.n+i)*s.H*p+h*p:], s.H*p, false)
		}
	}
}

// turn copies x to y, rotated to a position.
func (c *AttentionCache[T]) turn(y, x []T, position int) {
	if c.opt.Rope == nil {
		copy(y, x)
		return
	}
	half := c.size.P / 2
	cos, sin := tables[T](c.opt.Rope)
	cos, sin = cos[position*half:(position+1)*half], sin[position*half:(position+1)*half]
	vec.Rotate(y[:half], y[half:], x[:half], x[half:], cos, sin)
}
