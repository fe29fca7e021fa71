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

// begin makes room for n new rows of each sequence behind the past.
func (v *tail[T]) begin(batch, n int) {
	C, keep := v.C, v.K-1
	if need := batch * (keep + n) * C; len(v.x) < need {
		v.x = make([]T, need)
	}
	v.n = n
	for b := range batch {
		copy(v.x[b*(keep+n)*C:][:keep*C], v.past[b*keep*C:(b+1)*keep*C])
	}
}

// input returns where new row t of sequence b goes, before any is convolved.
func (v *tail[T]) input(b, t int) []T {
	return v.x[(b*(v.K-1+v.n)+v.K-1+t)*v.C:][:v.C]
}

// end keeps the last rows for the next tokens.
func (v *tail[T]) end(batch int) {
	C, keep := v.C, v.K-1
	for b := range batch {
		copy(v.past[b*keep*C:(b+1)*keep*C], v.x[(b*(keep+v.n)+v.n)*C:])
	}
	v.seen = min(keep, v.seen+v.n)
}

// rowsTogether is how many tokens' rows one part of the pool's work takes where
// tokens do not wait for each other: around the scan.
const rowsTogether = 16

// rowParts returns the number of parts of n rows.
func rowParts(n int) int { return (n + rowsTogether - 1) / rowsTogether }

// rowsOf returns the rows of a part of n.
func rowsOf(part, n int) (lo, hi int) { return part * rowsTogether, min(n, (part+1)*rowsTogether) }

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
	r             []T // [B,n,groups]
	free          chan *ssdScratch[T]

	// The call under way, and its work on the pool: rows, heads, rows.
	out, zxbcdt            []T
	dtBias, a, skip, normW []T
	rows                   int
	gather, convolve       func(part int)
	head                   func(item int)
	normalize              func(part int)
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
	k.free = make(chan *ssdScratch[T], p.Threads())
	for range p.Threads() {
		k.free <- newSSDScratch[T](p, o.Chunk, s.P, false)
	}
	k.gather, k.convolve, k.head, k.normalize = k.gatherRows, k.convolveRows, k.extendHead, k.normalizeRows
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
	s := k.size
	if n < 1 {
		panic(fmt.Sprintf("kernel: Mamba2State: Extend by %d tokens", n))
	}
	k.rows = s.B * n
	if len(k.delta) < k.rows*s.H {
		k.xbc, k.delta, k.y = make([]T, k.rows*s.conv()), make([]T, k.rows*s.H), make([]T, k.rows*s.inner())
		k.r = make([]T, k.rows*k.opt.NormGroups)
	}
	k.out, k.zxbcdt, k.dtBias, k.a, k.skip, k.normW = out, zxbcdt, dtBias, aLog, skip, normW
	k.tail.load(convW, convB)
	k.tail.begin(s.B, n)
	k.pool.For(rowParts(k.rows), k.gather)
	k.pool.For(rowParts(k.rows), k.convolve)
	k.tail.end(s.B)
	k.scan.T, k.scan.Q = n, min(n, k.opt.Chunk)
	k.pool.For(s.B*s.H, k.head)
	k.pool.For(rowParts(k.rows), k.normalize)
}

func (k *Mamba2State[T]) gatherRows(part int) {
	E, C, F, n := k.size.inner(), k.size.conv(), k.size.row(), k.tail.n
	lo, hi := rowsOf(part, k.rows)
	for i := lo; i < hi; i++ {
		copy(k.tail.input(i/n, i%n), k.zxbcdt[i*F+E:][:C])
	}
}

func (k *Mamba2State[T]) convolveRows(part int) {
	E, C, F, H, n := k.size.inner(), k.size.conv(), k.size.row(), k.size.H, k.tail.n
	lo, hi := rowsOf(part, k.rows)
	for i := lo; i < hi; i++ {
		k.tail.convolve(k.xbc[i*C:(i+1)*C], i/n, i%n)
		vec.Add(k.delta[i*H:(i+1)*H], k.zxbcdt[i*F+E+C:][:H], k.dtBias)
	}
	vec.SiLU(k.xbc[lo*C:hi*C], k.xbc[lo*C:hi*C])
	vec.Softplus(k.delta[lo*H:hi*H], k.delta[lo*H:hi*H])
}

func (k *Mamba2State[T]) normalizeRows(part int) {
	E, F, G := k.size.inner(), k.size.row(), k.opt.NormGroups
	lo, hi := rowsOf(part, k.rows)
	for i := lo; i < hi; i++ {
		out := k.out[i*E : (i+1)*E] // its own scratch
		k.norm.forward(out, k.r[i*G:(i+1)*G], out, k.y[i*E:(i+1)*E], k.zxbcdt[i*F:][:E], k.normW)
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
