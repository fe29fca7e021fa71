package kernel

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/vec"
)

// headGrad holds where one head's gradients go. dx and ddelta are overwritten;
// db and dc, which heads of a group share, are overwritten by the first head
// and added to by the rest; da and dskip are the chunk's sums over time.
type headGrad[T float32 | float64] struct {
	dy, dx, db, dc, ddelta []T
	states                 []T // [chunks,P,N] of the state after each chunk
	first                  bool
	da, dskip              T
}

// The backward pass is in two parts, both of which work on chunks from the saved
// states before them: what the states' gradients need of each other, then all the
// rest, for which no chunk waits for another. In terms of the forward's symbols, with
// M = L⊙(C·Bᵀ)⊙Δ_j and ∂M = dy·xᵀ:
//
//	ds₀ = exp(cum_last)·ds + (exp(cum)·dy)ᵀ·C
//
//	dx  = (Mᵀ + skip·I)·dy + w_j·(B·dsᵀ)
//	dC  = (∂M⊙L⊙Δ)·B  + (exp(cum)·dy)·s₀
//	dB  = (∂M⊙L⊙Δ)ᵀ·C + (w_j·x_j)·ds
//
// The exponent's gradient at k sums the pairs j < k ≤ i that straddle it. What
// comes from the state before the chunk straddles from i down: dcum, summed from
// the end. The pairs inside the chunk and those into the last state are added up
// as pairs, in dlog: as differences in dcum they would cancel, and leave nothing
// of a gradient that strong decay makes small.

// stateGradients fills g.states, from the last chunk to the first: nothing follows
// the last one's.
func (s *ssd[T]) stateGradients(h *head[T], g *headGrad[T], w *ssdScratch[T]) {
	P, N := s.P, s.N
	clear(g.states[(s.chunks()-1)*P*N:])
	for k := s.chunks() - 1; k > 0; k-- {
		c0 := k * s.Q
		q := min(s.Q, s.T-c0)
		s.cumulate(h, w, c0, q)
		before := g.states[(k-1)*P*N : k*P*N]
		n := s.carried(h, c0, q)
		for i := range n {
			vec.Scale(w.xw[i*P:(i+1)*P], w.exp[i], g.dy[(c0+i)*s.ldy:][:P])
		}
		if n < q {
			clear(before)
		} else {
			vec.Scale(before, w.exp[q-1], g.states[k*P*N:(k+1)*P*N])
		}
		if n > 0 {
			gemm.Gemm(nil, gemm.TN, P, N, n, w.xw, P, h.c[c0*s.ldx:], s.ldx, before, N, true)
		}
	}
}

// backward fills the gradients of the tokens of chunk k; w.cb holds C·Bᵀ for all heads
// of a group but the first, which makes it.
func (s *ssd[T]) backward(h *head[T], g *headGrad[T], w *ssdScratch[T], k int) {
	c0 := k * s.Q
	q := min(s.Q, s.T-c0)
	h.state = h.saved[k*s.P*s.N : (k+1)*s.P*s.N]
	g.da, g.dskip = 0, 0
	s.cumulate(h, w, c0, q)
	clear(w.dcum[:q])
	clear(w.ddt[:q])
	s.insideBackward(h, g, w, c0, q)
	s.stateBackward(h, g, w, c0, q)
	var suffix T
	for i := q - 1; i >= 0; i-- {
		suffix += w.dcum[i]
		d := suffix + w.dlog[i]
		g.ddelta[(c0+i)*s.ldd] = w.ddt[i] + h.a*d
		g.da += w.delta[i] * d
	}
}

// insideBackward handles the chunk's own tokens and the skip.
func (s *ssd[T]) insideBackward(h *head[T], g *headGrad[T], w *ssdScratch[T], c0, q int) {
	P, N := s.P, s.N
	x, b, c, dy := h.x[c0*s.ldx:], h.b[c0*s.ldx:], h.c[c0*s.ldx:], g.dy[c0*s.ldy:]
	if g.first {
		gemm.Gemm(nil, gemm.NT, q, q, N, c, s.ldx, b, s.ldx, w.cb, q, false)
	}
	copy(w.m, w.cb[:q*q])
	gemm.Gemm(nil, gemm.NT, q, q, P, dy, s.ldy, x, s.ldx, w.dm, q, false)
	for i := range q {
		lo, _ := h.first(c0, i)
		m, dm := w.m[i*q:(i+1)*q], w.dm[i*q:(i+1)*q]
		clear(m[:lo])
		clear(m[i+1:])
		clear(dm[:lo])
		clear(dm[i+1:])
		g.dskip += dm[i]
	}
	// ∂M⊙M is the gradient of the exponent and, over Δ_j, of Δ_j.
	vec.DecayRowsGrad(w.m, w.dm, q, w.ddt[:q], w.dlog[:q], w.high[:q], w.low[:q], w.delta[:q])
	for i := range q {
		w.m[i*q+i] += h.skip
	}
	for j, d := range w.delta[:q] { // so far ddt holds Σ_i ∂M⊙M; Δ may be 0 only by underflow
		if d > 0 {
			w.ddt[j] /= d
		}
	}
	dx, db, dc := g.dx[c0*s.ldx:], g.db[c0*s.ldx:], g.dc[c0*s.ldx:]
	gemm.Gemm(nil, gemm.TN, q, P, q, w.m, q, dy, s.ldy, dx, s.ldx, false)
	gemm.Gemm(nil, gemm.NN, q, N, q, w.dm, q, b, s.ldx, dc, s.ldx, !g.first)
	gemm.Gemm(nil, gemm.TN, q, N, q, w.dm, q, c, s.ldx, db, s.ldx, !g.first)
}

// stateBackward handles the state before and after the chunk.
func (s *ssd[T]) stateBackward(h *head[T], g *headGrad[T], w *ssdScratch[T], c0, q int) {
	P, N := s.P, s.N
	x, b, c, dy := h.x[c0*s.ldx:], h.b[c0*s.ldx:], h.c[c0*s.ldx:], g.dy[c0*s.ldy:]
	lo, carried := h.first(c0, q-1)
	ds := g.states[c0/s.Q*P*N:][:P*N]

	// s₁ = exp(cum_last)·s₀ + Σ_j w_j·x_j⊗B_j
	w.toLast(lo, q)
	gemm.Gemm(nil, gemm.NT, q-lo, P, N, b[lo*s.ldx:], s.ldx, ds, N, w.xq[lo*P:], P, false)
	var before T // Σ ∂w_j·w_j over earlier tokens
	for j := lo; j < q; j++ {
		xj := x[j*s.ldx:][:P]
		vec.Axpy(g.dx[(c0+j)*s.ldx:][:P], w.w[j], w.xq[j*P:(j+1)*P])
		d := vec.Dot(xj, w.xq[j*P:(j+1)*P]) // ∂w_j
		w.ddt[j] += d * w.e[j]
		w.dlog[j] += before
		before += d * w.w[j]
		vec.Scale(w.xw[j*P:(j+1)*P], w.w[j], xj)
	}
	gemm.Gemm(nil, gemm.NN, q-lo, N, P, w.xw[lo*P:], P, ds, N, g.db[(c0+lo)*s.ldx:], s.ldx, true)
	if carried {
		w.dcum[q-1] += w.exp[q-1] * vec.Dot(ds, h.state)
	}

	// y += exp(cum)·(C·s₀ᵀ), for the tokens that see s₀
	n := s.carried(h, c0, q)
	if n == 0 {
		return
	}
	gemm.Gemm(nil, gemm.NT, n, P, N, c, s.ldx, h.state, N, w.xq, P, false)
	for i := range n {
		e := w.exp[i]
		w.dcum[i] += e * vec.Dot(dy[i*s.ldy:][:P], w.xq[i*P:(i+1)*P])
		vec.Scale(w.xw[i*P:(i+1)*P], e, dy[i*s.ldy:][:P])
	}
	gemm.Gemm(nil, gemm.NN, n, N, P, w.xw, P, h.state, N, g.dc[c0*s.ldx:], s.ldx, true)
}
