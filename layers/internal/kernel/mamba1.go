package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Mamba1Size is B sequences of T tokens, inner width E, x and B given Xb wide,
// states N wide, a convolution of K taps.
type Mamba1Size struct{ B, T, E, Xb, N, K int }

func (s Mamba1Size) row() int { return 2*s.E + 2*s.Xb } // z|x|B|C

// Mamba1Options completes a Mamba1.
type Mamba1Options struct {
	// RepeatGroup is the number of consecutive channels of x and B that are
	// repeated together from Xb to E: N in the published order, the attention's
	// head_dim to keep heads aligned under grouped queries. 0: N.
	RepeatGroup int
	Train       bool // a backward pass will follow
}

// Mamba1 is everything of Apriel-H1's "m2" mixer between its projections;
// layers/mamba1.go has the equations, scan.go the scan.
//
// Inputs: zxbc [B,T,2E+2Xb] in the order z|x|B|C (E, Xb, Xb, E wide), dt
// [B,T,E], conv.weight [E,1,K], conv.bias [E], dt_bias [E], A_log [E,N], skip
// [E], start int32 [B,T]; output [B,T,E]. The gradients of zxbc and dt are
// overwritten, the rest accumulate. Channel e belongs to head e/N, whose B and
// C are N wide; repeated channel e comes from channel source(e).
type Mamba1[T tensor.Float] struct {
	pool *parallel.Pool
	size Mamba1Size
	opt  Mamba1Options
	conv conv[T]
	scan scan[T]

	xr, pre, x, br []T // [B,T,E]: x repeated, convolved, after SiLU; B repeated
	delta, y       []T // [B,T,E]
	a              []T // [E,N]
	state, saved   []T // [B,E,N], [B,heads,checkpoints,N,N]

	dx, dbr, ddelta, dy []T // [B,T,E]
	dc                  []T // [B,T,E]
	dtaps, dbias        []T // partial sums by row block
	da, dskip           []T // [B,E,N], [B,E]

	free    chan *scanScratch[T]
	windows chan []T

	in                                       [7][]T
	start                                    []int32
	out, dout, dzxbc, ddt                    []T
	spareProj, spareDt                       []T
	fRepeat, fScan, fGate, bGate, bScan, bIn func(int)
	rowParts                                 int
}

// Places of the inputs.
const (
	m1Proj = iota
	m1Dt
	m1ConvW
	m1ConvB
	m1DtBias
	m1ALog
	m1Skip
	m1Start
)

// scanCheckpoint is the number of tokens whose states are recomputed at a time.
const scanCheckpoint = 16

// NewMamba1 returns the kernel of one batch shape.
func NewMamba1[T tensor.Float](p *parallel.Pool, s Mamba1Size, o Mamba1Options) *Mamba1[T] {
	if o.RepeatGroup == 0 {
		o.RepeatGroup = s.N
	}
	if s.B < 1 || s.T < 1 || s.N < 1 || s.E%s.N != 0 || s.Xb < 1 || s.E%s.Xb != 0 || s.Xb%o.RepeatGroup != 0 || s.K < 1 {
		panic(fmt.Sprintf("kernel: Mamba1: size %+v, repeat group %d", s, o.RepeatGroup))
	}
	k := &Mamba1[T]{pool: p, size: s, opt: o}
	n := s.B * s.T * s.E
	k.conv = conv[T]{C: s.E, K: s.K, taps: room[T](p, s.E*s.K), zero: room[T](p, s.E)}
	k.scan = scan[T]{T: s.T, M: s.N, N: s.N, ldb: s.E, ldc: s.row(), ldx: s.E, ldd: s.E, checkpoint: scanCheckpoint}
	k.xr, k.pre, k.x, k.br = room[T](p, n), room[T](p, n), room[T](p, n), room[T](p, n)
	k.delta, k.y, k.a, k.state = room[T](p, n), room[T](p, n), room[T](p, s.E*s.N), room[T](p, s.B*s.E*s.N)
	k.rowParts = blocks(s.T)
	if o.Train {
		k.saved = room[T](p, s.B*s.E*s.N*((s.T+scanCheckpoint-1)/scanCheckpoint))
		k.dx, k.dbr, k.ddelta, k.dy, k.dc = room[T](p, n), room[T](p, n), room[T](p, n), room[T](p, n), room[T](p, n)
		parts := s.B * k.rowParts
		k.dtaps, k.dbias = room[T](p, parts*(s.K+1)*s.E), room[T](p, parts*s.E)
		k.da, k.dskip = room[T](p, s.B*s.E*s.N), room[T](p, s.B*s.E)
	}
	k.free, k.windows = make(chan *scanScratch[T], p.Threads()), make(chan []T, p.Threads())
	for range p.Threads() {
		w := &scanScratch[T]{decays: room[T](p, s.N*s.N)}
		if o.Train {
			m := s.N * s.N
			w = &scanScratch[T]{room[T](p, scanCheckpoint*m), room[T](p, scanCheckpoint*m), room[T](p, m), room[T](p, s.N)}
			k.windows <- room[T](p, (rowBlock+s.K-1)*s.E+s.E)
		}
		k.free <- w
	}
	k.fRepeat, k.fScan, k.fGate = k.forwardRepeat, k.forwardScan, k.forwardGate
	k.bGate, k.bScan, k.bIn = k.backwardGate, k.backwardScan, k.backwardIn
	return k
}

// Name returns "mamba1".
func (k *Mamba1[T]) Name() string { return "mamba1" }

// OutShape returns [B,T,E].
func (k *Mamba1[T]) OutShape() []int { return []int{k.size.B, k.size.T, k.size.E} }

// repeat copies src [Xb] to dst [E], each block of RepeatGroup channels E/Xb
// times in a row.
func (k *Mamba1[T]) repeat(dst, src []T) {
	r, times := k.opt.RepeatGroup, k.size.E/k.size.Xb
	for e := 0; e < k.size.E; e += r {
		copy(dst[e:e+r], src[e/(r*times)*r:])
	}
}

// fold is repeat's transpose: it sums what was repeated.
func (k *Mamba1[T]) fold(dst, src []T) {
	r, times := k.opt.RepeatGroup, k.size.E/k.size.Xb
	clear(dst)
	for e := 0; e < k.size.E; e += r {
		vec.AddTo(dst[e/(r*times)*r:][:r], src[e:e+r])
	}
}

func (k *Mamba1[T]) arguments(in []*tensor.Tensor) {
	for i := range m1Start {
		k.in[i] = tensor.Data[T](in[i])
	}
	k.start = tensor.Data[int32](in[m1Start])
	for i, v := range k.in[m1ALog] {
		k.a[i] = -T(math.Exp(float64(v)))
	}
}

// Forward fills the output.
func (k *Mamba1[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.arguments(in)
	k.out = tensor.Data[T](out)
	k.conv.load(k.in[m1ConvW], k.in[m1ConvB])
	k.pool.For(k.size.B*k.rowParts, k.fRepeat)
	k.pool.For(k.size.B*k.size.E/k.size.N, k.fScan)
	k.pool.For(k.size.B*k.rowParts, k.fGate)
}

func (k *Mamba1[T]) rows(part int) (b, lo, hi int) {
	b, lo = part/k.rowParts, part%k.rowParts*rowBlock
	return b, lo, min(k.size.T, lo+rowBlock)
}

// forwardRepeat fills xr, br and Δ; the scan convolves, since taps reach into
// rows of other parts.
func (k *Mamba1[T]) forwardRepeat(part int) {
	s, E, F := k.size, k.size.E, k.size.row()
	b, lo, hi := k.rows(part)
	for t := lo; t < hi; t++ {
		n := b*s.T + t
		row := k.in[m1Proj][n*F:]
		k.repeat(k.xr[n*E:(n+1)*E], row[E:])
		k.repeat(k.br[n*E:(n+1)*E], row[E+s.Xb:])
		vec.Add(k.delta[n*E:(n+1)*E], k.in[m1Dt][n*E:(n+1)*E], k.in[m1DtBias])
	}
	from, to := (b*s.T+lo)*E, (b*s.T+hi)*E
	vec.Softplus(k.delta[from:to], k.delta[from:to])
}

// forwardScan convolves one head's channels and scans them.
func (k *Mamba1[T]) forwardScan(item int) {
	bl, b, e := k.block(item)
	s := k.size
	for t := range s.T {
		n := b*s.T + t
		k.convolve(k.pre[n*s.E+e:][:s.N], b, t, e)
		vec.SiLU(k.x[n*s.E+e:][:s.N], k.pre[n*s.E+e:][:s.N])
	}
	clear(bl.state)
	w := <-k.free
	k.scan.forward(&bl, w.decays[:s.N*s.N])
	k.free <- w
}

// convolve computes y for N channels from e on.
func (k *Mamba1[T]) convolve(y []T, b, t, e int) {
	s := k.size
	copy(y, k.conv.b[e:])
	for j := range s.K {
		if u := t - (s.K - 1) + j; u >= int(k.start[b*s.T+t]) {
			vec.MulAddTo(y, k.conv.tap(j)[e:][:s.N], k.xr[(b*s.T+u)*s.E+e:][:s.N])
		}
	}
}

// block returns the arguments of one sequence and head, and its first channel.
func (k *Mamba1[T]) block(item int) (bl block[T], b, e int) {
	s := k.size
	heads := s.E / s.N
	b, e = item/heads, item%heads*s.N
	at := b*s.T*s.E + e
	bl = block[T]{
		x: k.x[at:], delta: k.delta[at:], b: k.br[at:], c: k.in[m1Proj][b*s.T*s.row()+s.E+2*s.Xb+e:], y: k.y[at:],
		a: k.a[e*s.N : (e+s.N)*s.N], skip: k.in[m1Skip][e : e+s.N],
		starts: k.start[b*s.T : (b+1)*s.T], state: k.state[(b*s.E+e)*s.N:][:s.N*s.N],
	}
	if k.saved != nil {
		n := len(k.saved) / (s.B * heads)
		bl.saved = k.saved[item*n : (item+1)*n]
	}
	return bl, b, e
}

// forwardGate fills the output: y⊙SiLU(z).
func (k *Mamba1[T]) forwardGate(part int) {
	s, E := k.size, k.size.E
	b, lo, hi := k.rows(part)
	for n := b*s.T + lo; n < b*s.T+hi; n++ {
		vec.SwiGLU(k.out[n*E:(n+1)*E], k.in[m1Proj][n*s.row():][:E], k.y[n*E:(n+1)*E])
	}
}
