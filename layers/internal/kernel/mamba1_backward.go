package kernel

import (
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Backward overwrites the gradients of zxbc and dt and accumulates the weights'.
func (k *Mamba1[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	if k.saved == nil {
		panic("kernel: Mamba1: Backward without Train")
	}
	k.arguments(in)
	k.dout = tensor.Data[T](gout)
	s := k.size
	k.dzxbc, k.ddt = orSpare(grad[T](gin[m1Proj]), &k.spareProj, s.B*s.T*s.row()), orSpare(grad[T](gin[m1Dt]), &k.spareDt, s.B*s.T*s.E)
	k.pool.For(s.B*k.rowParts, k.bGate)
	clear(k.da)
	clear(k.dskip)
	k.pool.For(s.B*s.E/s.N, k.bScan)
	k.pool.For(s.B*k.rowParts, k.bIn)

	k.conv.store(grad[T](gin[m1ConvW]), grad[T](gin[m1ConvB]), k.dtaps)
	if g := grad[T](gin[m1DtBias]); g != nil {
		addPartials(g, k.dbias)
	}
	if g := grad[T](gin[m1Skip]); g != nil {
		addPartials(g, k.dskip)
	}
	if g := grad[T](gin[m1ALog]); g != nil { // A = -exp(A_log): ∂A/∂A_log = A
		for at := 0; at < len(k.da); at += len(k.a) {
			vec.MulAddTo(g, k.da[at:at+len(k.a)], k.a)
		}
	}
}

// orSpare returns g, or room of its own for a gradient that nobody wants but
// the passes write.
func orSpare[T tensor.Float](g []T, spare *[]T, n int) []T {
	if g != nil {
		return g
	}
	if *spare == nil {
		*spare = make([]T, n)
	}
	return *spare
}

// backwardGate fills dy and z's columns.
func (k *Mamba1[T]) backwardGate(part int) {
	s, E, F := k.size, k.size.E, k.size.row()
	b, lo, hi := k.rows(part)
	for n := b*s.T + lo; n < b*s.T+hi; n++ {
		vec.SwiGLUGrad(k.dzxbc[n*F:][:E], k.dy[n*E:(n+1)*E], k.dout[n*E:(n+1)*E], k.in[m1Proj][n*F:][:E], k.y[n*E:(n+1)*E])
	}
}

// backwardScan fills dx, ddelta, dbr and dc for one sequence and head.
func (k *Mamba1[T]) backwardScan(item int) {
	bl, b, e := k.block(item)
	s := k.size
	at := b*s.T*s.E + e
	g := blockGrad[T]{
		dy: k.dy[at:], dx: k.dx[at:], ddelta: k.ddelta[at:], db: k.dbr[at:], dc: k.dc[at:], ldb: s.E, ldc: s.E,
		da: k.da[(b*s.E+e)*s.N:][:s.N*s.N], dskip: k.dskip[b*s.E+e:][:s.N],
	}
	w := <-k.free
	k.scan.backward(&bl, &g, w)
	k.free <- w
}

// backwardIn undoes Δ's softplus, the convolution and the repeats.
func (k *Mamba1[T]) backwardIn(part int) {
	s, E, F := k.size, k.size.E, k.size.row()
	b, lo, hi := k.rows(part)
	starts := k.start[b*s.T : (b+1)*s.T]
	partial := k.dtaps[part*(s.K+1)*E : (part+1)*(s.K+1)*E]
	clear(partial)
	dbias := k.dbias[part*E : (part+1)*E]
	clear(dbias)
	reach := min(s.T, hi+s.K-1)
	window := <-k.windows
	dpre, folded := window[:(reach-lo)*E], window[(rowBlock+s.K-1)*E:]
	vec.SiLUGrad(dpre, k.dx[(b*s.T+lo)*E:(b*s.T+reach)*E], k.pre[(b*s.T+lo)*E:(b*s.T+reach)*E])
	for t := lo; t < hi; t++ {
		n := b*s.T + t
		k.conv.weightBackward(partial, partial[s.K*E:], dpre[(t-lo)*E:(t-lo+1)*E], k.xr[b*s.T*E:], E, t, int(starts[t]))
		k.conv.rowBackward(folded, dpre, t, lo, reach, starts)
		row := k.dzxbc[n*F:]
		k.fold(row[E:][:s.Xb], folded)
		k.fold(row[E+s.Xb:][:s.Xb], k.dbr[n*E:(n+1)*E])
		copy(row[E+2*s.Xb:][:E], k.dc[n*E:(n+1)*E])
		// ∂softplus(u) = σ(u). 1 - exp(-softplus(u)) has few digits where Δ is small.
		ddt := k.ddt[n*E : (n+1)*E]
		vec.Add(ddt, k.in[m1Dt][n*E:(n+1)*E], k.in[m1DtBias])
		vec.Sigmoid(ddt, ddt)
		vec.MulTo(ddt, k.ddelta[n*E:(n+1)*E])
		vec.AddTo(dbias, ddt)
	}
	k.windows <- window
}
