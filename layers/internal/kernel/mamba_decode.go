package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// tail is the part of a convolution's past that decoding keeps: the last K-1
// inputs of every sequence.
type tail[T tensor.Float] struct {
	conv[T]
	seen int // tokens read so far, up to K-1
	past []T // [B,K-1,C]
	x    []T // [B,K-1+n,C]: the past and the tokens being read
	n    int
}

// push puts n new rows of each sequence behind the past. rows(b,t) is row t of
// sequence b.
func (v *tail[T]) push(batch, n int, row func(b, t int) []T) {
	C, keep := v.C, v.K-1
	if need := batch * (keep + n) * C; len(v.x) < need {
		v.x = make([]T, need)
	}
	v.n = n
	for b := range batch {
		x := v.x[b*(keep+n)*C:]
		copy(x[:keep*C], v.past[b*keep*C:(b+1)*keep*C])
		for t := range n {
			copy(x[(keep+t)*C:(keep+t+1)*C], row(b, t))
		}
		copy(v.past[b*keep*C:(b+1)*keep*C], x[n*C:(n+keep)*C])
	}
}

// convolve computes y [C] for new token t of sequence b.
func (v *tail[T]) convolve(y []T, b, t int) {
	keep := v.K - 1
	v.row(y, v.x[b*(keep+v.n)*v.C:], v.C, keep+t, keep-v.seen)
}

// Mamba2State is Mamba2 one step at a time: the last K-1 inputs of the
// convolution and the state [B,H,P,N], of constant size. Extending by any split
// of the same tokens gives what Mamba2 gives: one token by the recurrence, more
// by the chunked scan.
type Mamba2State[T tensor.Float] struct {
	pool  *parallel.Pool
	size  Mamba2Size // T is not used
	opt   Mamba2Options
	tail  tail[T]
	scan  ssd[T]
	norm  gatedNorm[T]
	state []T // [B,H,P,N]

	xbc, delta, y []T // [B,n,·]
	v, r          []T
	free          chan *ssdScratch[T]
	a, skip       []T
	head          func(item int)
}

// NewMamba2State returns the state before the first token.
func NewMamba2State[T tensor.Float](p *parallel.Pool, s Mamba2Size, o Mamba2Options) *Mamba2State[T] {
	if o.Chunk <= 0 {
		o.Chunk = 64
	}
	if o.NormGroups <= 0 {
		o.NormGroups = 1
	}
	k := &Mamba2State[T]{pool: p, size: s, opt: o, state: make([]T, s.B*s.H*s.P*s.N)}
	k.tail = tail[T]{conv: conv[T]{C: s.conv(), K: s.K}, past: make([]T, s.B*(s.K-1)*s.conv())}
	k.scan = ssd[T]{P: s.P, N: s.N, ldx: s.conv(), ldy: s.inner(), ldd: s.H}
	k.norm = gatedNorm[T]{s.inner(), o.NormGroups, T(o.Eps)}
	k.v, k.r = make([]T, s.inner()), make([]T, o.NormGroups)
	k.free = make(chan *ssdScratch[T], p.Threads())
	for range p.Threads() {
		k.free <- newSSDScratch[T](o.Chunk, s.P, s.N, false)
	}
	k.head = k.extendHead
	return k
}

// Reset forgets every token.
func (k *Mamba2State[T]) Reset() {
	clear(k.state)
	clear(k.tail.past)
	k.tail.seen = 0
}

// Bytes returns the size of the state, whatever was read.
func (k *Mamba2State[T]) Bytes() int {
	return (len(k.state) + len(k.tail.past)) * tensor.TypeOf[T]().Bytes()
}

// Extend reads n tokens a sequence, zxbcdt [B,n,2E+2GN+H], and fills out
// [B,n,E]. The weights are those of Mamba2.
func (k *Mamba2State[T]) Extend(out, zxbcdt []T, n int, convW, convB, dtBias, aLog, skip, normW []T) {
	s, E, C, F := k.size, k.size.inner(), k.size.conv(), k.size.row()
	if n < 1 {
		panic(fmt.Sprintf("kernel: Mamba2State: Extend by %d tokens", n))
	}
	if rows := s.B * n; len(k.delta) < rows*s.H {
		k.xbc, k.delta, k.y = make([]T, rows*C), make([]T, rows*s.H), make([]T, rows*E)
	}
	k.tail.load(convW, convB)
	k.tail.push(s.B, n, func(b, t int) []T { return zxbcdt[(b*n+t)*F+E:][:C] })
	for b := range s.B {
		for t := range n {
			i := b*n + t
			k.tail.convolve(k.xbc[i*C:(i+1)*C], b, t)
			vec.Add(k.delta[i*s.H:(i+1)*s.H], zxbcdt[i*F+E+C:][:s.H], dtBias)
		}
	}
	k.tail.seen = min(k.tail.K-1, k.tail.seen+n)
	rows := s.B * n
	vec.SiLU(k.xbc[:rows*C], k.xbc[:rows*C])
	vec.Softplus(k.delta[:rows*s.H], k.delta[:rows*s.H])
	k.a, k.skip = aLog, skip
	k.scan.T, k.scan.Q = n, min(n, k.opt.Chunk)
	k.pool.For(s.B*s.H, k.head)
	for i := range rows {
		k.norm.forward(out[i*E:(i+1)*E], k.r, k.v, k.y[i*E:(i+1)*E], zxbcdt[i*F:][:E], normW)
	}
}

func (k *Mamba2State[T]) extendHead(item int) {
	s, E, C, n := k.size, k.size.inner(), k.size.conv(), k.scan.T
	b, i := item/s.H, item%s.H
	g := i / (s.H / s.G)
	xbc := k.xbc[b*n*C:]
	h := head[T]{
		x: xbc[i*s.P:], b: xbc[E+g*s.N:], c: xbc[E+(s.G+g)*s.N:],
		delta: k.delta[b*n*s.H+i:], y: k.y[b*n*E+i*s.P:],
		a: -T(math.Exp(float64(k.a[i]))), skip: k.skip[i], state: k.state[item*s.P*s.N : (item+1)*s.P*s.N],
	}
	if n == 1 {
		h.step(s.P, s.N)
		return
	}
	w := <-k.free
	k.scan.forward(&h, w)
	k.free <- w
}

// step advances one token by the recurrence.
func (h *head[T]) step(p, n int) {
	delta := h.delta[0]
	decay := T(math.Exp(float64(delta * h.a)))
	b, c := h.b[:n], h.c[:n]
	for i := range p {
		s := h.state[i*n : (i+1)*n]
		vec.Axpby(s, delta*h.x[i], b, decay)
		h.y[i] = vec.Dot(s, c) + h.skip*h.x[i]
	}
}

// Mamba1State is Mamba1 one step at a time: the last K-1 inputs of the
// convolution and the state [B,E,N], of constant size.
type Mamba1State[T tensor.Float] struct {
	pool  *parallel.Pool
	size  Mamba1Size // T is not used
	rep   Mamba1[T]  // for repeat
	tail  tail[T]
	scan  scan[T]
	state []T // [B,E,N]

	x, br, delta, y []T // [B,n,E]
	xr, a           []T
	decays          chan []T
	skip, zxbc      []T
	head            func(item int)
}

// NewMamba1State returns the state before the first token.
func NewMamba1State[T tensor.Float](p *parallel.Pool, s Mamba1Size, o Mamba1Options) *Mamba1State[T] {
	if o.RepeatGroup == 0 {
		o.RepeatGroup = s.N
	}
	k := &Mamba1State[T]{pool: p, size: s, rep: Mamba1[T]{size: s, opt: o}, state: make([]T, s.B*s.E*s.N)}
	k.tail = tail[T]{conv: conv[T]{C: s.E, K: s.K}, past: make([]T, s.B*(s.K-1)*s.E)}
	k.scan = scan[T]{M: s.N, N: s.N, ldb: s.E, ldc: s.row(), ldx: s.E, ldd: s.E, checkpoint: scanCheckpoint}
	k.xr, k.a = make([]T, s.E), make([]T, s.E*s.N)
	k.decays = make(chan []T, p.Threads())
	for range p.Threads() {
		k.decays <- make([]T, s.N*s.N)
	}
	k.head = k.extendHead
	return k
}

// Reset forgets every token.
func (k *Mamba1State[T]) Reset() {
	clear(k.state)
	clear(k.tail.past)
	k.tail.seen = 0
}

// Bytes returns the size of the state, whatever was read.
func (k *Mamba1State[T]) Bytes() int {
	return (len(k.state) + len(k.tail.past)) * tensor.TypeOf[T]().Bytes()
}

// Extend reads n tokens a sequence, zxbc [B,n,2E+2Xb] and dt [B,n,E], and fills
// out [B,n,E]. The weights are those of Mamba1.
func (k *Mamba1State[T]) Extend(out, zxbc, dt []T, n int, convW, convB, dtBias, aLog, skip []T) {
	s, E, F := k.size, k.size.E, k.size.row()
	if n < 1 {
		panic(fmt.Sprintf("kernel: Mamba1State: Extend by %d tokens", n))
	}
	rows := s.B * n
	if len(k.x) < rows*E {
		k.x, k.br, k.delta, k.y = make([]T, rows*E), make([]T, rows*E), make([]T, rows*E), make([]T, rows*E)
	}
	for i, v := range aLog {
		k.a[i] = -T(math.Exp(float64(v)))
	}
	k.tail.load(convW, convB)
	k.tail.push(s.B, n, func(b, t int) []T {
		k.rep.repeat(k.xr, zxbc[(b*n+t)*F+E:])
		return k.xr
	})
	for b := range s.B {
		for t := range n {
			i := b*n + t
			k.tail.convolve(k.x[i*E:(i+1)*E], b, t)
			k.rep.repeat(k.br[i*E:(i+1)*E], zxbc[i*F+E+s.Xb:])
			vec.Add(k.delta[i*E:(i+1)*E], dt[i*E:(i+1)*E], dtBias)
		}
	}
	k.tail.seen = min(k.tail.K-1, k.tail.seen+n)
	vec.SiLU(k.x[:rows*E], k.x[:rows*E])
	vec.Softplus(k.delta[:rows*E], k.delta[:rows*E])
	k.skip, k.zxbc, k.scan.T = skip, zxbc, n
	k.pool.For(s.B*E/s.N, k.head)
	for i := range rows {
		vec.SwiGLU(out[i*E:(i+1)*E], zxbc[i*F:][:E], k.y[i*E:(i+1)*E])
	}
}

func (k *Mamba1State[T]) extendHead(item int) {
	s, n := k.size, k.scan.T
	heads := s.E / s.N
	b, e := item/heads, item%heads*s.N
	at := b*n*s.E + e
	bl := block[T]{
		x: k.x[at:], delta: k.delta[at:], b: k.br[at:], c: k.zxbc[b*n*s.row()+s.E+2*s.Xb+e:], y: k.y[at:],
		a: k.a[e*s.N : (e+s.N)*s.N], skip: k.skip[e : e+s.N], state: k.state[(b*s.E+e)*s.N:][:s.N*s.N],
	}
	decay := <-k.decays
	k.scan.forward(&bl, decay)
	k.decays <- decay
}
