package vec

import (
	"math"

	"stillhouse/layers/tensor"
)

// The optimizer step, fused: it is bound by memory.

// AdamW updates w, m and v in place with gradient g scaled by gscale:
//
//	g' = gscale·g
//	m = β₁·m + (1-β₁)·g'
//	v = β₂·v + (1-β₂)·g'²
//	w = w·(1 - lr·decay) - (lr/c₁)·m / (sqrt(v/c₂) + eps)
//
// with c₁ = 1-β₁ᵗ and c₂ = 1-β₂ᵗ the bias corrections. Moments too small for a normal
// float32 become 0. Those of a weight that gets no gradient, a rare token's, would come
// to rest just above 0, since β·x rounds to x there, and make the step of their weights
// nine times as slow from then on.
func AdamW[T tensor.Float](w, m, v, g []T, gscale, lr, decay, beta1, beta2, eps, c1, c2 T) {
	if accelerated[T]() {
		n := len(w)
		adamW32(n, at(w, n), at(m, n), at(v, n), at(g, n), float32(gscale), float32(beta1), float32(1-beta1),
			float32(beta2), float32(1-beta2), float32(1-lr*decay), float32(lr/c1), float32(1/c2), float32(eps))
		return
	}
	for i := range w {
		d := gscale * g[i]
		m[i] = normal(beta1*m[i] + (1-beta1)*d)
		v[i] = normal(beta2*v[i] + (1-beta2)*d*d)
		w[i] = w[i]*(1-lr*decay) - lr/c1*m[i]/(T(math.Sqrt(float64(v[i]/c2)))+eps)
	}
}

// normal returns x, or 0 where float32 has denormal numbers only.
func normal[T tensor.Float](x T) T {
	const least = 0x1p-126
	if x < least && x > -least {
		return 0
	}
	return x
}
