package kernel

import (
	"math"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// Of a teacher whose targets are kept on disk the K largest logits of each token
// are known and, of all others, what they come to together. The divergences are
// then between two distributions over K+1 buckets: the K tokens one by one, and
// the rest as one. That never exceeds the divergence over all tokens (merging
// outcomes loses information), is 0 where both agree on the buckets, and is the
// same where K is V. Leaving the rest out instead, or sharing it evenly, would
// pull the student towards a distribution that the teacher does not have (Anshumann
// et al. 2025, arXiv:2503.16870.
//
// With Q_b the student's share of bucket b, ∂ℓ/∂s[v] of a token v in b is its
// share within the bucket times the gradient in the bucket's logit:
//
//	∂ℓ/∂s[v] = q[v]/Q_b · G_b      G_b as ∂ℓ/∂s of that kind over buckets

// rest is what a row has beside the K: exp(x/τ - m) of every token in scaled, 0 for
// the K, and z the sum of them. The logarithm of the sum is m + log z.
type rest[T tensor.Float] struct {
	scaled []T
	m      float64
	z      float64
}

// restOf computes in q, which may not be x, what x has beside some tokens.
func restOf[T tensor.Float](q, x []T, top []int32, τ float64) rest[T] {
	if len(top) == len(x) {
		clear(q)
		return rest[T]{q, math.Inf(-1), 1}
	}
	copy(q, x)
	for _, v := range top {
		q[v] = T(math.Inf(-1))
	}
	m := T(1/τ) * vec.Max(q)
	return rest[T]{q, float64(m), float64(vec.ExpSum(q, q, T(1/τ), m))}
}

func (r rest[T]) logSum() float64 { return r.m + math.Log(r.z) }

// pair is x as a T and what rounding took off, as one. The student's log-sum goes
// through it too: of a student that is the teacher the difference is exactly 0.
func pair[T tensor.Float](x float64) (high, low T) {
	if high = T(x); !math.IsInf(float64(high), 0) {
		low = T(x - float64(high))
	}
	return high, low
}

// normalised sets each x to x - log Σ exp(x).
func normalised(x []float64) {
	m, z := math.Inf(-1), 0.0
	for _, v := range x {
		m = max(m, v)
	}
	for _, v := range x {
		z += math.Exp(v - m)
	}
	lse := m + math.Log(z)
	for i := range x {
		x[i] -= lse
	}
}

// bucketScratch is what bucketRow writes in, [K+1] each.
type bucketScratch struct{ lq, lp, g []float64 }

func newBucketScratch(p *parallel.Pool, top int) bucketScratch {
	return bucketScratch{room[float64](p, top+1), room[float64](p, top+1), room[float64](p, top+1)}
}

// bucketRow is row for a teacher of which the tokens top have the given logits
// and all others together that log-sum at the term's temperature.
func bucketRow[T tensor.Float](term *Term, g, s []T, top []int32, logits []T, teacherRest, scale float64, q []T, b bucketScratch) float64 {
	τ := term.temperature()
	others := restOf(q, s, top, τ)
	for i, v := range top {
		b.lq[i], b.lp[i] = float64(s[v])*float64(T(1/τ)), float64(logits[i])*float64(T(1/τ))
	}
	n := len(top)
	if n < len(s) {
		high, low := pair[T](others.logSum())
		b.lq[n], b.lp[n] = float64(high)+float64(low), teacherRest
		n++
	}
	lq, lp, grad := b.lq[:n], b.lp[:n], b.g[:n]
	normalised(lq)
	normalised(lp)
	loss := τ * τ * buckets(term, grad, lq, lp)
	if scale == 0 {
		return loss
	}
	if n > len(top) {
		vec.Scale(g, T(scale*τ*grad[len(top)]/others.z), others.scaled)
	}
	for i, v := range top {
		g[v] = T(scale * τ * grad[i])
	}
	return loss
}

// buckets is a divergence at τ = 1 of two distributions given as logarithms, and
// sets g to its gradient in the logits of lq: the formulas of reverseKL, forwardKL
// and jsd, in float64.
func buckets(term *Term, g, lq, lp []float64) (loss float64) {
	switch term.Kind {
	case ReverseKL:
		for i := range lq {
			loss += math.Exp(lq[i]) * (lq[i] - lp[i])
		}
		for i := range lq {
			g[i] = math.Exp(lq[i]) * (lq[i] - lp[i] - loss)
		}
	case ForwardKL:
		for i := range lq {
			p := math.Exp(lp[i])
			loss += p * (lp[i] - lq[i])
			g[i] = math.Exp(lq[i]) - p
		}
	default: // JSD
		var mean float64
		for i := range lq {
			q, p, u := math.Exp(lq[i]), math.Exp(lp[i]), lq[i]-lp[i]
			r := math.Log1p(term.Beta * math.Expm1(-u)) // log(m/q), exactly 0 where u is
			if -u > 30 {
				r = math.Log(term.Beta) - u // to 1e-13, and finite for any u
			}
			loss -= term.Beta*p*(u+r) + (1-term.Beta)*q*r
			mean += q * r
			g[i] = r
		}
		for i := range lq {
			g[i] = -(1 - term.Beta) * math.Exp(lq[i]) * (g[i] - mean)
		}
	}
	return loss
}
