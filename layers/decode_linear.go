package layers

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// projector multiplies rows of activations by a model's matrices. Few rows are
// bound by the memory that W takes, so W is read once as it lies; many are bound
// by arithmetic and go through the blocked product.
type projector[T tensor.Float] struct {
	pool *Pool
	half map[*Param][]vec.BF16 // the matrices, rows vec.BF16Stride apart; nil: as the model has them

	// The product under way.
	y, x              []T
	rows, out, in     int
	full              []T
	brief             []vec.BF16
	add               bool
	perPart, from, to int
	multiply, widen   func(part int)
	wide              []T // a part of W in T, for the blocked product
}

const (
	// Up to so many rows W is read as it lies. The blocked product packs W first,
	// and has to widen bfloat16 before: that takes more rows to pay. Where a matrix unit
	// takes bfloat16 as it is, fewer do.
	fewRows     = 32
	fewBF16Rows = 96
	manyRows    = 16
	// A part of the pool's work is an equal share of W, but worth a hand-over and
	// small enough for a thread that is late. Memory takes a while to get going in
	// each.
	partsEach        = 4 // a thread
	partMin, partMax = 1 << 14, 1 << 18
	partOutputs      = 24
	// wideElements of bfloat16 are widened at a time: what the blocked product
	// packs at a time.
	wideElements = 1 << 18
)

func newProjector[T tensor.Float](p *Pool) *projector[T] {
	k := &projector[T]{pool: p}
	k.multiply, k.widen = k.multiplyPart, k.widenPart
	return k
}

// roundToBF16 makes the matrices of m bfloat16 for this projector: those of
// projections, embedding and head. Vectors, convolutions and A stay.
func (k *projector[T]) roundToBF16(m *Model) {
	k.half = map[*Param][]vec.BF16{}
	for _, w := range m.projections() {
		k.half[w] = roundRows(k.pool, data[T](w), w.Value.Dim(0), w.Value.Dim(1))
	}
}

// projections returns every matrix that a token is multiplied by, and the
// embedding, each once.
func (m *Model) projections() []*Param {
	ws := []*Param{m.Embed}
	if m.Head != m.Embed {
		ws = append(ws, m.Head)
	}
	for _, b := range m.Blocks {
		if b.identity() {
			continue
		}
		switch x := b.Mixer.(type) {
		case *Attention:
			ws = append(ws, x.QKV, x.O)
		case *Mamba2:
			ws = append(ws, x.In, x.Out)
		case *Mamba1:
			ws = append(ws, x.In, x.DtIn, x.Dt, x.Out)
		}
		if b.MLP != nil {
			ws = append(ws, b.MLP.GateUp, b.MLP.Down)
		}
	}
	return ws
}

func roundRows[T tensor.Float](p *Pool, w []T, rows, n int) []vec.BF16 {
	ld := vec.BF16Stride(n)
	h := tensor.Make[vec.BF16](rows * ld)
	p.For(rows, func(r int) {
		for i, v := range w[r*n : (r+1)*n] {
			h[r*ld+i] = vec.ToBF16(float32(v))
		}
	})
	return h
}

// bytes returns the memory of every matrix that a token is multiplied by.
func (k *projector[T]) bytes(m *Model) (n int) {
	for _, w := range m.projections() {
		if w == m.Embed && w != m.Head {
			continue // one row of it
		}
		if h, ok := k.half[w]; ok {
			n += 2 * len(h)
		} else {
			n += w.Value.Size() * tensor.TypeOf[T]().Bytes()
		}
	}
	return n
}

// row copies row i of w to y.
func (k *projector[T]) row(y []T, w *Param, i int) {
	n := len(y)
	if h, ok := k.half[w]; ok {
		vec.Widen(y, h[i*vec.BF16Stride(n):])
		return
	}
	copy(y, data[T](w)[i*n:])
}

// linear computes y (+)= x·Wᵀ for rows of x.
func (k *projector[T]) linear(y, x []T, w *Param, rows int, add bool) {
	k.y, k.x, k.rows, k.out, k.in, k.add = y, x, rows, w.Value.Dim(0), w.Value.Dim(1), add
	k.full, k.brief = data[T](w), k.half[w]
	// Whole groups of outputs of any size, so that few are multiplied twice.
	share := k.out * k.in / (partsEach * k.pool.Threads())
	k.perPart = (min(max(share, partMin), partMax)/k.in + partOutputs - 1) / partOutputs * partOutputs
	switch {
	case k.brief != nil && rows >= manyRows && k.halves():
	case rows <= fewRows, rows <= fewBF16Rows && k.brief != nil:
		k.from, k.to = 0, k.out
		k.pool.For((k.out+k.perPart-1)/k.perPart, k.multiply)
	case k.brief != nil:
		k.blocks()
	default:
		gemm.Gemm(k.pool, gemm.NT, rows, k.out, k.in, x, k.in, k.full, k.in, y, k.out, add)
	}
	k.y, k.x, k.full, k.brief = nil, nil, nil, nil
}

func (k *projector[T]) multiplyPart(part int) {
	o := part * k.perPart
	outs := min(k.perPart, k.out-o)
	if k.brief != nil {
		vec.ProductsBF16(k.y[o:], k.out, k.x, k.rows, k.brief[o*vec.BF16Stride(k.in):], outs, k.in, k.add)
		return
	}
	vec.Products(k.y[o:], k.out, k.x, k.rows, k.full[o*k.in:], outs, k.in, k.add)
}

// halves is the blocked product with W as it is, if there is one for it here.
func (k *projector[T]) halves() bool {
	x, ok := any(k.x).([]float32)
	if !ok {
		return false
	}
	y := any(k.y).([]float32)
	return gemm.GemmBF16(k.pool, k.rows, k.out, k.in, x, k.in, k.brief, vec.BF16Stride(k.in), y, k.out, k.add)
}

// blocks is the blocked product with a W that has to be widened first, some
// outputs at a time.
func (k *projector[T]) blocks() {
	outs := max(1, wideElements/k.in/32) * 32
	if need := min(outs, k.out) * k.in; len(k.wide) < need {
		k.wide = make([]T, need)
	}
	for k.from = 0; k.from < k.out; k.from = k.to {
		k.to = min(k.out, k.from+outs)
		n := k.to - k.from
		k.pool.For((n+k.perPart-1)/k.perPart, k.widen)
		gemm.Gemm(k.pool, gemm.NT, k.rows, n, k.in, k.x, k.in, k.wide, k.in, k.y[k.from:], k.out, k.add)
	}
}

func (k *projector[T]) widenPart(part int) {
	ld := vec.BF16Stride(k.in)
	for o := k.from + part*k.perPart; o < min(k.to, k.from+(part+1)*k.perPart); o++ {
		vec.Widen(k.wide[(o-k.from)*k.in:][:k.in], k.brief[o*ld:])
	}
}
