package kernel

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

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
	a               []T
	decays          chan []T

	// The call under way, and its work on the pool: rows, heads, rows.
	out, zxbc, dt, dtBias, skip []T
	rows                        int
	gather, convolve            func(part int)
	head                        func(item int)
	gate                        func(part int)
}

// NewMamba1State returns the state before the first token.
func NewMamba1State[T tensor.Float](p *parallel.Pool, s Mamba1Size, o Mamba1Options) *Mamba1State[T] {
	if o.RepeatGroup == 0 {
		o.RepeatGroup = s.N
	}
	k := &Mamba1State[T]{pool: p, size: s, rep: Mamba1[T]{size: s, opt: o}, state: make([]T, s.B*s.E*s.N)}
	k.tail = tail[T]{conv: conv[T]{C: s.E, K: s.K}, past: make([]T, s.B*(s.K-1)*s.E)}
	k.scan = scan[T]{M: s.N, N: s.N, ldb: s.E, ldc: s.row(), ldx: s.E, ldd: s.E, checkpoint: scanCheckpoint}
	k.a = make([]T, s.E*s.N)
	k.decays = make(chan []T, p.Threads())
	for range p.Threads() {
		k.decays <- make([]T, s.N*s.N)
	}
	k.gather, k.convolve, k.head, k.gate = k.gatherRows, k.convolveRows, k.extendHead, k.gateRows
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
	s, E := k.size, k.size.E
	if n < 1 {
		panic(fmt.Sprintf("kernel: Mamba1State: Extend by %d tokens", n))
	}
	k.rows = s.B * n
	if len(k.x) < k.rows*E {
		k.x, k.br, k.delta, k.y = make([]T, k.rows*E), make([]T, k.rows*E), make([]T, k.rows*E), make([]T, k.rows*E)
	}
	k.out, k.zxbc, k.dt, k.dtBias, k.skip = out, zxbc, dt, dtBias, skip
	vec.Exp(k.a, aLog)
	vec.Scale(k.a, -1, k.a)
	k.tail.load(convW, convB)
	k.tail.begin(s.B, n)
	k.pool.For(rowParts(k.rows), k.gather)
	k.pool.For(rowParts(k.rows), k.convolve)
	k.tail.end(s.B)
	k.scan.T = n
	k.pool.For(s.B*E/s.N, k.head)
	k.pool.For(rowParts(k.rows), k.gate)
}

func (k *Mamba1State[T]) gatherRows(part int) {
	E, F, n := k.size.E, k.size.row(), k.tail.n
	lo, hi := rowsOf(part, k.rows)
	for i := lo; i < hi; i++ {
		k.rep.repeat(k.tail.input(i/n, i%n), k.zxbc[i*F+E:])
	}
}

func (k *Mamba1State[T]) convolveRows(part int) {
	E, F, n := k.size.E, k.size.row(), k.tail.n
	lo, hi := rowsOf(part, k.rows)
	for i := lo; i < hi; i++ {
		k.tail.convolve(k.x[i*E:(i+1)*E], i/n, i%n)
		k.rep.repeat(k.br[i*E:(i+1)*E], k.zxbc[i*F+E+k.size.Xb:])
		vec.Add(k.delta[i*E:(i+1)*E], k.dt[i*E:(i+1)*E], k.dtBias)
	}
	vec.SiLU(k.x[lo*E:hi*E], k.x[lo*E:hi*E])
	vec.Softplus(k.delta[lo*E:hi*E], k.delta[lo*E:hi*E])
}

func (k *Mamba1State[T]) gateRows(part int) {
	E, F := k.size.E, k.size.row()
	lo, hi := rowsOf(part, k.rows)
	for i := lo; i < hi; i++ {
		vec.SwiGLU(k.out[i*E:(i+1)*E], k.zxbc[i*F:][:E], k.y[i*E:(i+1)*E])
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
