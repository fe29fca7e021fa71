package kernel

import (
	"math"

	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// gatedNorm is the norm at the end of a Mamba-2 mixer, one row y, z [E]:
//
//	v = y⊙SiLU(z)      r_k = 1/sqrt(mean_{e in group k} v_e² + eps)
//	out = v·r⊙w
//
// The gate comes before the norm. One group normalises over all of E, as
// transformers does; G groups each over their own E/G, as vLLM, llama.cpp and
// mamba_ssm do.
type gatedNorm[T tensor.Float] struct {
	E, groups int
	eps       T
}

// forward fills out and r [groups]; v [E] is scratch.
func (g gatedNorm[T]) forward(out, r, v, y, z, w []T) {
	vec.SwiGLU(v, z, y)
	n := g.E / g.groups
	for k := range g.groups {
		part := v[k*n : (k+1)*n]
		r[k] = T(1 / math.Sqrt(float64(vec.SumSq(part)/T(n)+g.eps)))
		vec.RMSApply(out[k*n:(k+1)*n], part, w[k*n:(k+1)*n], r[k])
	}
}

// backward fills dy and dz and adds to dw; v and dv [E] are scratch.
func (g gatedNorm[T]) backward(dy, dz, dw, v, dv, dout, y, z, w, r []T) {
	vec.SwiGLU(v, z, y)
	n := g.E / g.groups
	for k := range g.groups {
		lo, hi := k*n, (k+1)*n
		c := r[k] * r[k] * r[k] / T(n) * vec.RMSSums(dw[lo:hi], dout[lo:hi], v[lo:hi], w[lo:hi], r[k])
		vec.RMSGrad(dv[lo:hi], dout[lo:hi], v[lo:hi], w[lo:hi], r[k], c)
	}
	vec.SwiGLUGrad(dz, dy, dv, z, y)
}
