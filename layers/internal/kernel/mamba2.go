package kernel

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Mamba2Size is B sequences of T tokens, H heads P wide in G groups, states N
// wide, a convolution of K taps.
type Mamba2Size struct{ B, T, H, P, G, N, K int }

func (s Mamba2Size) inner() int { return s.H * s.P }                  // E
func (s Mamba2Size) conv() int  { return s.inner() + 2*s.G*s.N }      // x|B|C
func (s Mamba2Size) row() int   { return s.inner() + s.conv() + s.H } // z|x|B|C|Δ

// Mamba2Options completes a Mamba2.
type Mamba2Options struct {
	Chunk      int     // tokens of the scan done together; 0: 64
	NormGroups int     // 1: the norm runs over all of E; G: over each group
	Eps        float64 // of the norm
	Train      bool    // a backward pass will follow
}

// Mamba2 is everything of a Mamba-2 mixer between in_proj and out_proj:
// convolution and SiLU (conv.go), the scan (ssd.go), gate and norm
// (gatednorm.go); layers/mamba2.go has the equations.
//
// Inputs: zxbcdt [B,T,2E+2GN+H] in the order z|x|B|C|Δ, conv.weight [C,1,K],
// conv.bias [C], dt_bias [H], A_log [H], skip [H], norm.weight [E], start int32
// [B,T]; output [B,T,E]. The gradient of zxbcdt is overwritten, the rest
// accumulate.
type Mamba2[T tensor.Float] struct {
	pool *parallel.Pool
	size Mamba2Size
	opt  Mamba2Options
	conv conv[T]
	scan ssd[T]
	norm gatedNorm[T]

	pre, xbc []T // [B,T,C] before and after SiLU
	delta    []T // [B,T,H]
	y        []T // [B,T,E] of the scan
	r        []T // [B,T,norm groups]
	states   []T // [B,H,chunks,P,N] before each chunk
	state    []T // [B,H,P,N] running

	dxbc, dy, ddelta  []T // as xbc, y, delta
	dtaps, dw, dheads []T // partial sums by row block: [K+1,C], [E], [H]
	dstates           []T // [B,H,chunks,P,N] of the states after each chunk
	da, dskip         []T // [B,chunks,H]

	free    chan *mamba2Scratch[T] // one for each thread
	windows chan []T               // likewise, [rowBlock+K-1,C]

	in                                                [8][]T // arguments of the call under way
	start                                             []int32
	out, dout, dz, spare                              []T
	fConv, fScan, fNorm, bNorm, bStates, bScan, bConv func(int)
	rowParts                                          int // row blocks of one sequence
}

type mamba2Scratch[T tensor.Float] struct {
	*ssdScratch[T]
	v, dv []T // [E]
}

// Places of the inputs.
const (
	m2Proj = iota
	m2ConvW
	m2ConvB
	m2DtBias
	m2ALog
	m2Skip
	m2NormW
	m2Start
)

// NewMamba2 returns the kernel of one batch shape.
func NewMamba2[T tensor.Float](p *parallel.Pool, s Mamba2Size, o Mamba2Options) *Mamba2[T] {
	if s.B < 1 || s.T < 1 || s.H < 1 || s.G < 1 || s.H%s.G != 0 || s.P < 1 || s.N < 1 || s.K < 1 {
		panic(fmt.Sprintf("kernel: Mamba2: size %+v", s))
	}
	k := &Mamba2[T]{pool: p, size: s, opt: o}
	if k.opt.Chunk <= 0 {
		k.opt.Chunk = 64
	}
	if k.opt.NormGroups <= 0 {
		k.opt.NormGroups = 1
	}
	E, C, n := s.inner(), s.conv(), s.B*s.T
	if E%k.opt.NormGroups != 0 {
		panic(fmt.Sprintf("kernel: Mamba2: %d norm groups of width %d", k.opt.NormGroups, E))
	}
	k.conv = conv[T]{C: C, K: s.K, taps: room[T](p, C*s.K), zero: room[T](p, C)}
	k.scan = ssd[T]{T: s.T, P: s.P, N: s.N, Q: min(k.opt.Chunk, s.T), ldx: C, ldy: E, ldd: s.H}
	k.norm = gatedNorm[T]{E, k.opt.NormGroups, T(o.Eps)}
	k.pre, k.xbc, k.delta, k.y = room[T](p, n*C), room[T](p, n*C), room[T](p, n*s.H), room[T](p, n*E)
	k.r, k.state = room[T](p, n*k.opt.NormGroups), room[T](p, s.B*s.H*s.P*s.N)
	k.rowParts = blocks(s.T)
	if o.Train {
		states := s.B * s.H * k.scan.chunks() * s.P * s.N
		k.states, k.dstates = room[T](p, states), room[T](p, states)
		k.dxbc, k.dy, k.ddelta = room[T](p, n*C), room[T](p, n*E), room[T](p, n*s.H)
		parts := s.B * k.rowParts
		k.dtaps, k.dw, k.dheads = room[T](p, parts*(s.K+1)*C), room[T](p, parts*E), room[T](p, parts*s.H)
		n := s.B * k.scan.chunks() * s.H
		k.da, k.dskip = room[T](p, n), room[T](p, n)
	}
	k.free, k.windows = make(chan *mamba2Scratch[T], p.Threads()), make(chan []T, p.Threads())
	for range p.Threads() {
		if o.Train {
			k.windows <- room[T](p, (rowBlock+s.K-1)*C)
		}
		k.free <- &mamba2Scratch[T]{newSSDScratch[T](p, k.scan.Q, s.P, o.Train), room[T](p, E), room[T](p, E)}
	}
	k.fConv, k.fScan, k.fNorm = k.forwardConv, k.forwardScan, k.forwardNorm
	k.bNorm, k.bStates, k.bScan, k.bConv = k.backwardNorm, k.backwardStates, k.backwardScan, k.backwardConv
	return k
}

// Name returns "mamba2".
func (k *Mamba2[T]) Name() string { return "mamba2" }

// OutShape returns [B,T,E].
func (k *Mamba2[T]) OutShape() []int { return []int{k.size.B, k.size.T, k.size.inner()} }

func (k *Mamba2[T]) arguments(in []*tensor.Tensor) {
	for i := range m2Start {
		k.in[i] = tensor.Data[T](in[i])
	}
	k.start = tensor.Data[int32](in[m2Start])
}

// Forward fills the output.
func (k *Mamba2[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.arguments(in)
	k.out = tensor.Data[T](out)
	k.conv.load(k.in[m2ConvW], k.in[m2ConvB])
	k.pool.For(k.size.B*k.rowParts, k.fConv)
	k.pool.For(k.size.B*k.size.H, k.fScan)
	k.pool.For(k.size.B*k.rowParts, k.fNorm)
}

// rows returns the sequence and the times of one part of the row work.
func (k *Mamba2[T]) rows(part int) (b, lo, hi int) {
	b, lo = part/k.rowParts, part%k.rowParts*rowBlock
	return b, lo, min(k.size.T, lo+rowBlock)
}

// forwardConv fills pre, xbc and Δ.
func (k *Mamba2[T]) forwardConv(part int) {
	s, E, C, F := k.size, k.size.inner(), k.size.conv(), k.size.row()
	b, lo, hi := k.rows(part)
	x := k.in[m2Proj][b*s.T*F+E:]
	for t := lo; t < hi; t++ {
		n := b*s.T + t
		k.conv.row(k.pre[n*C:(n+1)*C], x, F, t, int(k.start[n]))
		vec.Add(k.delta[n*s.H:(n+1)*s.H], x[t*F+C:][:s.H], k.in[m2DtBias])
	}
	from, to := b*s.T+lo, b*s.T+hi
	vec.SiLU(k.xbc[from*C:to*C], k.pre[from*C:to*C])
	vec.Softplus(k.delta[from*s.H:to*s.H], k.delta[from*s.H:to*s.H])
}

// head returns the arguments of one sequence and head.
func (k *Mamba2[T]) head(item int) (h head[T], b, i int) {
	s, E, C := k.size, k.size.inner(), k.size.conv()
	b, i = item/s.H, item%s.H
	g := i / (s.H / s.G)
	xbc := k.xbc[b*s.T*C:]
	h = head[T]{
		x: xbc[i*s.P:], b: xbc[E+g*s.N:], c: xbc[E+(s.G+g)*s.N:],
		delta: k.delta[b*s.T*s.H+i:], y: k.y[b*s.T*E+i*s.P:],
		a: -T(math.Exp(float64(k.in[m2ALog][i]))), skip: k.in[m2Skip][i],
		starts: k.start[b*s.T : (b+1)*s.T], state: k.state[item*s.P*s.N : (item+1)*s.P*s.N],
	}
	if k.states != nil {
		n := k.scan.chunks() * s.P * s.N
		h.saved = k.states[item*n : (item+1)*n]
	}
	return h, b, i
}

func (k *Mamba2[T]) forwardScan(item int) {
	h, _, _ := k.head(item)
	clear(h.state)
	w := <-k.free
	k.scan.forward(&h, w.ssdScratch)
	k.free <- w
}

// forwardNorm fills the output from y and z.
func (k *Mamba2[T]) forwardNorm(part int) {
	s, E, F, G := k.size, k.size.inner(), k.size.row(), k.opt.NormGroups
	b, lo, hi := k.rows(part)
	w := <-k.free
	for n := b*s.T + lo; n < b*s.T+hi; n++ {
		k.norm.forward(k.out[n*E:(n+1)*E], k.r[n*G:(n+1)*G], w.v, k.y[n*E:(n+1)*E], k.in[m2Proj][n*F:][:E], k.in[m2NormW])
	}
	k.free <- w
}
