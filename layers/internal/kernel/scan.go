package kernel

import (
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// scan is the selective scan of Mamba-1 (Gu & Dao 2023, arXiv:2312.00752, Alg.
// 2) for a block of channels that share one B and C, sequential in time: for
// channel e, with A_e < 0 of [N],
//
//	s_e[t] = exp(Δ_e[t]·A_e)⊙s_e[t-1] + Δ_e[t]·x_e[t]·B[t]      s_e [N]
//	y_e[t] = s_e[t]·C[t] + skip_e·x_e[t]
//
// All slices start at the block's first channel; rows are strided. Nothing is
// carried into the first token of a document.
type scan[T tensor.Float] struct {
	T, M, N    int // time, channels of the block, state
	ldb, ldc   int // row strides of B and C
	ldx, ldd   int // row strides of x (and y), and of Δ
	checkpoint int // tokens between the states that forward saves
}

// block holds one channel block's arguments.
type block[T tensor.Float] struct {
	x, delta, b, c, y []T
	a, skip           []T     // [M,N], [M]
	starts            []int32 // nil: every token continues the given state
	state             []T     // [M,N] in and out
	saved             []T     // nil, or [checkpoints,M,N]
}

// resets reports whether token t begins a document.
func (b *block[T]) resets(t int) bool { return b.starts != nil && int(b.starts[t]) == t }

// step advances the state to token t; decay [M,N] keeps exp(Δ·A).
func (s *scan[T]) step(b *block[T], state, decay []T, t int) {
	M, N := s.M, s.N
	for m := range M {
		vec.Scale(decay[m*N:(m+1)*N], b.delta[t*s.ldd+m], b.a[m*N:(m+1)*N])
	}
	vec.Exp(decay[:M*N], decay[:M*N])
	if b.resets(t) {
		clear(state)
	}
	bt := b.b[t*s.ldb:][:N]
	for m := range M {
		vec.MulAddScalar(state[m*N:(m+1)*N], decay[m*N:(m+1)*N], bt, b.delta[t*s.ldd+m]*b.x[t*s.ldx+m])
	}
}

// forward fills y and leaves the last state; decay [M,N] is scratch.
func (s *scan[T]) forward(b *block[T], decay []T) {
	M, N := s.M, s.N
	for t := range s.T {
		if b.saved != nil && t%s.checkpoint == 0 {
			copy(b.saved[t/s.checkpoint*M*N:(t/s.checkpoint+1)*M*N], b.state)
		}
		s.step(b, b.state, decay, t)
		ct := b.c[t*s.ldc:][:N]
		for m := range M {
			b.y[t*s.ldx+m] = vec.Dot(b.state[m*N:(m+1)*N], ct) + b.skip[m]*b.x[t*s.ldx+m]
		}
	}
}

// blockGrad holds where a block's gradients go: dx, ddelta, db and dc are
// overwritten, da and dskip added to.
type blockGrad[T tensor.Float] struct {
	dy, dx, ddelta, db, dc []T
	da, dskip              []T // [M,N], [M]
	ldb, ldc               int // row strides of db and dc
}

// scanScratch is what one worker needs: the states and decays of one stretch
// between checkpoints.
type scanScratch[T tensor.Float] struct {
	states, decays []T // [checkpoint,M,N] after and at each token
	ds             []T // [M,N] ∂loss/∂state
	tmp            []T // [N]
}

// backward walks the stretches from the last to the first, recomputing the
// states of each from its checkpoint:
//
//	ds_e[t] += dy_e[t]·C[t]                 ds_e[t-1] = exp(ΔA)⊙ds_e[t]
//	dC[t] += dy_e[t]·s_e[t]                 dB[t] += Δx·ds_e[t]
//	dΔ_e[t] = Σ_n ds·(A·exp(ΔA)·s[t-1] + x·B)
func (s *scan[T]) backward(b *block[T], g *blockGrad[T], w *scanScratch[T]) {
	M, N := s.M, s.N
	clear(w.ds)
	for k := (s.T - 1) / s.checkpoint; k >= 0; k-- {
		t0 := k * s.checkpoint
		n := min(s.checkpoint, s.T-t0)
		before := b.saved[k*M*N : (k+1)*M*N]
		prev := before
		for i := range n {
			state := w.states[i*M*N : (i+1)*M*N]
			copy(state, prev)
			s.step(b, state, w.decays[i*M*N:(i+1)*M*N], t0+i)
			prev = state
		}
		for i := n - 1; i >= 0; i-- {
			prev := before
			if i > 0 {
				prev = w.states[(i-1)*M*N : i*M*N]
			}
			s.stepBackward(b, g, w, prev, i, t0+i)
		}
	}
}

func (s *scan[T]) stepBackward(b *block[T], g *blockGrad[T], w *scanScratch[T], prev []T, i, t int) {
	M, N := s.M, s.N
	bt, ct := b.b[t*s.ldb:][:N], b.c[t*s.ldc:][:N]
	db, dc := g.db[t*g.ldb:][:N], g.dc[t*g.ldc:][:N]
	clear(db)
	clear(dc)
	reset := b.resets(t)
	for m := range M {
		state, decay := w.states[(i*M+m)*N:][:N], w.decays[(i*M+m)*N:][:N]
		ds, dy := w.ds[m*N:(m+1)*N], g.dy[t*s.ldx+m]
		x, delta := b.x[t*s.ldx+m], b.delta[t*s.ldd+m]
		vec.Axpy(dc, dy, state)
		vec.Axpy(ds, dy, ct)
		vec.Axpy(db, delta*x, ds)
		into := vec.Dot(ds, bt) // ∂(Δ·x)
		g.dx[t*s.ldx+m] = delta*into + b.skip[m]*dy
		g.dskip[m] += dy * x
		ddelta := x * into
		if reset {
			clear(ds)
		} else {
			vec.Mul(ds, ds, decay)
			vec.Mul(w.tmp, ds, prev[m*N:(m+1)*N]) // ∂(Δ·A)
			ddelta += vec.Dot(w.tmp, b.a[m*N:(m+1)*N])
			vec.Axpy(g.da[m*N:(m+1)*N], delta, w.tmp)
		}
		g.ddelta[t*s.ldd+m] = ddelta
	}
}
