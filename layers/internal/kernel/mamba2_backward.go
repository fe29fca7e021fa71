package kernel

import (
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Backward overwrites the gradient of zxbcdt and accumulates the weights'.
func (k *Mamba2[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	if k.states == nil {
		panic("kernel: Mamba2: Backward without Train")
	}
	k.arguments(in)
	k.dout = tensor.Data[T](gout)
	k.dz = orSpare(grad[T](gin[m2Proj]), &k.spare, k.size.B*k.size.T*k.size.row())
	s := k.size
	k.pool.For(s.B*k.rowParts, k.bNorm)
	k.pool.For(s.B*s.H, k.bStates)
	k.pool.For(s.B*s.G*k.scan.chunks(), k.bScan)
	k.pool.For(s.B*k.rowParts, k.bConv)

	k.conv.store(grad[T](gin[m2ConvW]), grad[T](gin[m2ConvB]), k.dtaps)
	if g := grad[T](gin[m2NormW]); g != nil {
		addPartials(g, k.dw)
	}
	if g := grad[T](gin[m2DtBias]); g != nil {
		addPartials(g, k.dheads)
	}
	if g := grad[T](gin[m2Skip]); g != nil {
		addPartials(g, k.dskip)
	}
	if g := grad[T](gin[m2ALog]); g != nil { // A = -exp(A_log): ∂A/∂A_log = A
		for at, d := range k.da {
			h, _, i := k.head(at % s.H)
			g[i] += d * h.a
		}
	}
}

// grad returns the elements of a gradient that may be nil.
func grad[T tensor.Float](t *tensor.Tensor) []T {
	if t == nil {
		return nil
	}
	return tensor.Data[T](t)
}

// backwardNorm fills dy and z's columns of the gradient.
func (k *Mamba2[T]) backwardNorm(part int) {
	s, E, F, G := k.size, k.size.inner(), k.size.row(), k.opt.NormGroups
	b, lo, hi := k.rows(part)
	dw := k.dw[part*E : (part+1)*E]
	clear(dw)
	w := <-k.free
	for n := b*s.T + lo; n < b*s.T+hi; n++ {
		k.norm.backward(k.dy[n*E:(n+1)*E], k.dz[n*F:][:E], dw, w.v, w.dv, k.dout[n*E:(n+1)*E],
			k.y[n*E:(n+1)*E], k.in[m2Proj][n*F:][:E], k.in[m2NormW], k.r[n*G:(n+1)*G])
	}
	k.free <- w
}

// headGrad returns where one sequence and head's gradients go.
func (k *Mamba2[T]) headGrad(b, i int) headGrad[T] {
	s, E, C := k.size, k.size.inner(), k.size.conv()
	dxbc, g, n := k.dxbc[b*s.T*C:], i/(s.H/s.G), k.scan.chunks()*s.P*s.N
	return headGrad[T]{
		dy: k.dy[b*s.T*E+i*s.P:], dx: dxbc[i*s.P:], db: dxbc[E+g*s.N:], dc: dxbc[E+(s.G+g)*s.N:],
		ddelta: k.ddelta[b*s.T*s.H+i:], states: k.dstates[(b*s.H+i)*n:][:n],
	}
}

// backwardStates fills dstates for one sequence and head.
func (k *Mamba2[T]) backwardStates(item int) {
	h, b, i := k.head(item)
	d, w := k.headGrad(b, i), <-k.free
	k.scan.stateGradients(&h, &d, w.ssdScratch)
	k.free <- w
}

// backwardScan fills dxbc and ddelta for one chunk of one sequence and group: its
// heads one after the other, since they add to the same B and C.
func (k *Mamba2[T]) backwardScan(item int) {
	s, chunks := k.size, k.scan.chunks()
	of, chunk := item/chunks, item%chunks
	b, g := of/s.G, of%s.G
	w := <-k.free
	for j := range s.H / s.G {
		i := g*(s.H/s.G) + j
		h, _, _ := k.head(b*s.H + i)
		d := k.headGrad(b, i)
		d.first = j == 0
		k.scan.backward(&h, &d, w.ssdScratch, chunk)
		at := (b*chunks+chunk)*s.H + i
		k.da[at], k.dskip[at] = d.da, d.dskip
	}
	k.free <- w
}

// backwardConv fills the x|B|C and Δ columns of the gradient. It reads dxbc up
// to K-1 rows past its own, as the gradient of SiLU's input, which it
// recomputes there rather than wait for a neighbour.
func (k *Mamba2[T]) backwardConv(part int) {
	s, E, C, F := k.size, k.size.inner(), k.size.conv(), k.size.row()
	b, lo, hi := k.rows(part)
	starts := k.start[b*s.T : (b+1)*s.T]
	x := k.in[m2Proj][b*s.T*F+E:]
	partial := k.dtaps[part*(s.K+1)*C : (part+1)*(s.K+1)*C]
	clear(partial)
	dheads := k.dheads[part*s.H : (part+1)*s.H]
	clear(dheads)
	reach := min(s.T, hi+s.K-1)
	window := <-k.windows // [rowBlock+K-1, C] of ∂pre
	vec.SiLUGrad(window[:(reach-lo)*C], k.dxbc[(b*s.T+lo)*C:(b*s.T+reach)*C], k.pre[(b*s.T+lo)*C:(b*s.T+reach)*C])
	for t := lo; t < hi; t++ {
		n := b*s.T + t
		dpre := window[(t-lo)*C : (t-lo+1)*C]
		k.conv.weightBackward(partial, partial[s.K*C:], dpre, x, F, t, int(starts[t]))
		k.conv.rowBackward(k.dz[n*F+E:][:C], window, t, lo, reach, starts)
		// ∂softplus(u) = σ(u). 1 - exp(-softplus(u)) has few digits where Δ is small.
		ddt := k.dz[n*F+E+C:][:s.H]
		vec.Add(ddt, x[t*F+C:][:s.H], k.in[m2DtBias])
		vec.Sigmoid(ddt, ddt)
		vec.MulTo(ddt, k.ddelta[n*s.H:(n+1)*s.H])
		vec.AddTo(dheads, ddt)
	}
	k.windows <- window
}
