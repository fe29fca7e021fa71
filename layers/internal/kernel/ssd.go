package kernel

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// ssd is the scan of one Mamba-2 head, state-space duality (Dao & Gu 2024,
// arXiv:2405.21060 §6): with A < 0 a number, x [T,P], B and C [T,N], Δ [T],
//
//	s[t] = exp(Δ[t]·A)·s[t-1] + Δ[t]·x[t]⊗B[t]      s [P,N]
//	y[t] = s[t]·C[t] + skip·x[t]
//
// computed in chunks of Q tokens by matrix products. With cum[i] = Σ_{k≤i} Δ[k]·A
// inside a chunk and L_ij = exp(cum[i]-cum[j]) for j ≤ i in i's document:
//
//	y = (L ⊙ C·Bᵀ ⊙ Δ_j + skip·I)·x  +  exp(cum)·(C·s₀ᵀ)
//	s₁ = exp(cum_last)·s₀ + (exp(cum_last - cum_j)·Δ_j·x_j)ᵀ·B
//
// Every exponent is at most 0. A document that starts inside the chunk sees
// neither s₀ nor earlier tokens.
type ssd[T tensor.Float] struct {
	T, P, N, Q int
	ldx, ldy   int // row strides of x, B and C, and of y
	ldd        int // row stride of Δ
}

// head holds one head's arguments; all slices start at the head's first element.
type head[T tensor.Float] struct {
	x, b, c, delta, y []T
	a, skip           T
	starts            []int32 // [T]; nil: every token continues the given state
	state             []T     // [P,N] s₀ in, the last state out
	saved             []T     // nil, or [chunks,P,N]: the state before each chunk
}

// ssdScratch is what one worker needs.
type ssdScratch[T tensor.Float] struct {
	m, cb, dm   []T // [Q,Q]
	xw, xq      []T // [Q,P]
	high, low   []T // [Q] cum, in two parts: what it is rounded to, and the rest
	exp         []T // [Q] of cum
	delta, ones []T // [Q]
	e, w        []T // [Q], see toLast
	ddt         []T // [Q]
	dcum, dlog  []T // [Q]
}

func newSSDScratch[T tensor.Float](pool *parallel.Pool, q, p int, train bool) *ssdScratch[T] {
	s := &ssdScratch[T]{m: room[T](pool, q*q), xw: room[T](pool, q*p), xq: room[T](pool, q*p)}
	rows := []*[]T{&s.high, &s.low, &s.exp, &s.delta, &s.ones, &s.e, &s.w}
	if train {
		s.cb, s.dm = room[T](pool, q*q), room[T](pool, q*q)
		rows = append(rows, &s.ddt, &s.dcum, &s.dlog)
	}
	for _, r := range rows {
		*r = room[T](pool, q)
	}
	for i := range s.ones {
		s.ones[i] = 1
	}
	return s
}

func (s *ssd[T]) chunks() int { return (s.T + s.Q - 1) / s.Q }

// first returns the earliest token of the chunk at c0 that token c0+i sees,
// counted from c0, and whether it sees the state before the chunk.
func (h *head[T]) first(c0, i int) (lo int, carried bool) {
	if h.starts == nil {
		return 0, true
	}
	at := int(h.starts[c0+i])
	return max(0, at-c0), at < c0
}

// forward computes y over all chunks and leaves the last state.
func (s *ssd[T]) forward(h *head[T], w *ssdScratch[T]) {
	P, N := s.P, s.N
	for c0 := 0; c0 < s.T; c0 += s.Q {
		q := min(s.Q, s.T-c0)
		if h.saved != nil {
			copy(h.saved[c0/s.Q*P*N:(c0/s.Q+1)*P*N], h.state)
		}
		s.cumulate(h, w, c0, q)
		x, b, c, y := h.x[c0*s.ldx:], h.b[c0*s.ldx:], h.c[c0*s.ldx:], h.y[c0*s.ldy:]
		gemm.Gemm(nil, gemm.NT, q, q, N, c, s.ldx, b, s.ldx, w.m, q, false)
		vec.DecayRows(w.m, q, w.high[:q], w.low[:q], w.delta[:q])
		for i := range q {
			lo, _ := h.first(c0, i)
			row := w.m[i*q : (i+1)*q]
			clear(row[:lo])
			clear(row[i+1:])
			row[i] += h.skip
		}
		gemm.Gemm(nil, gemm.NN, q, P, q, w.m, q, x, s.ldx, y, s.ldy, false)
		s.carry(h, w, c0, q)
		s.advance(h, w, c0, q)
	}
}

// cumulate sets Δ, cum and exp(cum) over the chunk. Differences of sums follow, so
// these are made, and kept, with more digits than T may have.
func (s *ssd[T]) cumulate(h *head[T], w *ssdScratch[T], c0, q int) {
	var sum float64
	for i := range q {
		w.delta[i] = h.delta[(c0+i)*s.ldd]
		sum += float64(w.delta[i]) * float64(h.a)
		w.high[i] = T(sum)
		w.low[i] = T(sum - float64(w.high[i]))
	}
	vec.ExpSum(w.exp[:q], w.high[:q], 1, 0) // as weights: 0, not denormal
}

// toLast sets e[j] = exp(cum_last-cum[j]) and w[j] = e[j]·Δ[j], what is left of token j
// and what its x⊗B counts in the state after the chunk, for lo ≤ j < q.
func (w *ssdScratch[T]) toLast(lo, q int) {
	copy(w.e[lo:q], w.ones[lo:q])
	vec.Decay(w.e[lo:q], w.high[lo:q], w.low[lo:q], w.ones[lo:q], w.high[q-1], w.low[q-1])
	vec.Mul(w.w[lo:q], w.e[lo:q], w.delta[lo:q])
}

// carried returns how many tokens of a chunk see the state before it: the first ones.
func (s *ssd[T]) carried(h *head[T], c0, q int) (n int) {
	for n < q {
		if _, carried := h.first(c0, n); !carried {
			break
		}
		n++
	}
	return n
}

// carry adds what the state before the chunk contributes: exp(cum)·(C·s₀ᵀ).
func (s *ssd[T]) carry(h *head[T], w *ssdScratch[T], c0, q int) {
	n := s.carried(h, c0, q)
	if n == 0 {
		return
	}
	P, N := s.P, s.N
	gemm.Gemm(nil, gemm.NT, n, P, N, h.c[c0*s.ldx:], s.ldx, h.state, N, w.xq, P, false)
	for i := range n {
		vec.Axpy(h.y[(c0+i)*s.ldy:][:P], w.exp[i], w.xq[i*P:(i+1)*P])
	}
}

// advance moves the state over the chunk.
func (s *ssd[T]) advance(h *head[T], w *ssdScratch[T], c0, q int) {
	P, N := s.P, s.N
	lo, carried := h.first(c0, q-1)
	w.toLast(lo, q)
	for j := lo; j < q; j++ {
		vec.Scale(w.xw[j*P:(j+1)*P], w.w[j], h.x[(c0+j)*s.ldx:][:P])
	}
	if carried {
		vec.Scale(h.state, w.exp[q-1], h.state)
	}
	gemm.Gemm(nil, gemm.TN, P, N, q-lo, w.xw[lo*P:], P, h.b[(c0+lo)*s.ldx:], s.ldx, h.state, N, carried)
}
