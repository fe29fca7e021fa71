package kernel

import (
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/vec"
)

// headGrad holds where one head's gradients go. dx and ddelta are overwritten;
// db and dc, which heads of a group share, are overwritten by the first head
// and added to by the rest; da and dskip are sums over time.
type headGrad[T float32 | float64] struct {
	dy, dx, db, dc, ddelta []T
	add                    bool // to db and dc
	da, dskip              T
}

// backward walks the chunks from the last to the first with ∂loss/∂state in
// w.dstate, recomputing each chunk's scores from the saved state before it. In
// terms of the forward's symbols, with M = L⊙(C·Bᵀ)⊙Δ_j and ∂M = dy·xᵀ:
//
//	dx  = Mᵀ·dy + skip·dy + w_j·(B·dsᵀ)
//	dC  = (∂M⊙L⊙Δ)·B  + (exp(cum)·dy)·s₀
//	dB  = (∂M⊙L⊙Δ)ᵀ·C + (w_j·x_j)·ds
//	ds₀ = exp(cum_last)·ds + (exp(cum)·dy)ᵀ·C
//
// The exponent's gradient at k sums the pairs j < k ≤ i that straddle it. What
// comes from the state before the chunk straddles from i down: dcum, summed from
// the end. The pairs inside the chunk and those into the last state are added up
// as pairs, in dlog: as differences in dcum they would cancel, and leave nothing
// of a gradient that strong decay makes small.
func (s *ssd[T]) backward(h *head[T], g *headGrad[T], w *ssdScratch[T]) {
	clear(w.dstate)
	g.da, g.dskip = 0, 0
	for k := s.chunks() - 1; k >= 0; k-- {
		c0 := k * s.Q
		q := min(s.Q, s.T-c0)
		h.state = h.saved[k*s.P*s.N : (k+1)*s.P*s.N]
		s.cumulate(h, w, c0, q)
		clear(w.dcum[:q])
		clear(w.dlog[:q])
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
}

// insideBackward handles the chunk's own tokens and the skip.
func (s *ssd[T]) insideBackward(h *head[T], g *headGrad[T], w *ssdScratch[T], c0, q int) {
	P, N := s.P, s.N
	x, b, c, dy := h.x[c0*s.ldx:], h.b[c0*s.ldx:], h.c[c0*s.ldx:], g.dy[c0*s.ldy:]
	gemm.Gemm(nil, gemm.NT, q, q, N, c, s.ldx, b, s.ldx, w.m, q, false)
	gemm.Gemm(nil, gemm.NT, q, q, P, dy, s.ldy, x, s.ldx, w.dm, q, false)
	for i := q - 1; i >= 0; i-- {
		lo, _ := h.first(c0, i)
		m, dm := w.m[i*q:(i+1)*q], w.dm[i*q:(i+1)*q]
		clear(m[:lo])
		clear(m[i+1:])
		clear(dm[:lo])
		clear(dm[i+1:])
		g.dskip += dm[i]
		// ∂M⊙M is the gradient of the exponent and, over Δ_j, of Δ_j.
		vec.DecayGrad(m[lo:i+1], dm[lo:i+1], w.ddt[lo:i+1], w.high[lo:i+1], w.low[lo:i+1], w.delta[lo:i+1], w.high[i], w.low[i])
		m[i] += h.skip
		w.dlog[i] = vec.Sum(w.ddt[lo:i]) // rows i and later, tokens before i
	}
	for j, d := range w.delta[:q] { // so far ddt holds Σ_i ∂M⊙M; Δ may be 0 only by underflow
		if d > 0 {
			w.ddt[j] /= d
		}
	}
	dx, db, dc := g.dx[c0*s.ldx:], g.db[c0*s.ldx:], g.dc[c0*s.ldx:]
	gemm.Gemm(nil, gemm.TN, q, P, q, w.m, q, dy, s.ldy, dx, s.ldx, false)
	gemm.Gemm(nil, gemm.NN, q, N, q, w.dm, q, b, s.ldx, dc, s.ldx, g.add)
	gemm.Gemm(nil, gemm.TN, q, N, q, w.dm, q, c, s.ldx, db, s.ldx, g.add)
}

// stateBackward handles the state before and after the chunk.
func (s *ssd[T]) stateBackward(h *head[T], g *headGrad[T], w *ssdScratch[T], c0, q int) {
	P, N := s.P, s.N
	x, b, c, dy := h.x[c0*s.ldx:], h.b[c0*s.ldx:], h.c[c0*s.ldx:], g.dy[c0*s.ldy:]
	lo, carried := h.first(c0, q-1)

	// s₁ = exp(cum_last)·s₀ + Σ_j w_j·x_j⊗B_j
	copy(w.e[lo:q], w.ones[lo:q])
	w.decay(w.e, w.ones, lo, q-1)
	vec.Mul(w.w[lo:q], w.e[lo:q], w.delta[lo:q])
	gemm.Gemm(nil, gemm.NT, q-lo, P, N, b[lo*s.ldx:], s.ldx, w.dstate, N, w.xq[lo*P:], P, false)
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
	gemm.Gemm(nil, gemm.NN, q-lo, N, P, w.xw[lo*P:], P, w.dstate, N, g.db[(c0+lo)*s.ldx:], s.ldx, true)
	if carried {
		e := w.exp[q-1]
		w.dcum[q-1] += e * vec.Dot(w.dstate, h.state)
		vec.Scale(w.dstate, e, w.dstate)
	} else {
		clear(w.dstate)
	}

	// y += exp(cum)·(C·s₀ᵀ), for the tokens that see s₀
	n := 0
	for n < q {
		if _, seen := h.first(c0, n); !seen {
			break
		}
		n++
	}
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
	gemm.Gemm(nil, gemm.TN, P, N, n, w.xw, P, c, s.ldx, w.dstate, N, true)
}
