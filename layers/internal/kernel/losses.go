package kernel

import (
	"fmt"
	"math"
	"slices"

	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// LossKind is a divergence of one row of student logits from the teacher's, or
// from a label.
type LossKind uint8

// The kinds. With q the student's and p the teacher's softmax at temperature τ:
const (
	ReverseKL    LossKind = iota // τ²·KL(q‖p) = τ²·Σ q·log(q/p)
	ForwardKL                    // τ²·KL(p‖q)
	JSD                          // τ²·(β·KL(p‖m) + (1-β)·KL(q‖m)), m = β·p + (1-β)·q
	CrossEntropy                 // -log q[label] at τ = 1
)

// String returns the recipe's spelling, e.g. reverse_kl.
func (k LossKind) String() string {
	switch k {
	case ReverseKL:
		return "reverse_kl"
	case ForwardKL:
		return "forward_kl"
	case JSD:
		return "jsd"
	case CrossEntropy:
		return "cross_entropy"
	}
	return fmt.Sprintf("LossKind(%d)", uint8(k))
}

// NeedsTeacher reports whether the kind compares with teacher logits.
func (k LossKind) NeedsTeacher() bool { return k != CrossEntropy }

// Term is one summand of an objective.
type Term struct {
	Kind   LossKind
	Weight float64
	// Temperature τ divides the logits of both sides, and the loss is multiplied
	// by τ², so that gradients keep their size (Hinton et al. 2015,
	// arXiv:1503.02531 §2). 0 means 1. CrossEntropy has none.
	Temperature float64
	Beta        float64 // JSD's β, the teacher's share of m, in (0,1)
}

// temperature is Temperature with its default.
func (t Term) temperature() float64 {
	if t.Temperature == 0 {
		return 1
	}
	return t.Temperature
}

// Temperatures returns those at which the terms look at the teacher, each once.
func Temperatures(terms []Term) (τs []float64) {
	for _, t := range terms {
		if τ := t.temperature(); t.Kind.NeedsTeacher() && !slices.Contains(τs, τ) {
			τs = append(τs, τ)
		}
	}
	return τs
}

// check panics on numbers outside a term's domain.
func (t Term) check() {
	switch {
	case t.Kind > CrossEntropy:
		panic(fmt.Sprintf("kernel: Term: unknown %v", t.Kind))
	case !(t.Temperature >= 0) || math.IsInf(t.Temperature, 1):
		panic(fmt.Sprintf("kernel: Term: %v has temperature %v, want >= 0", t.Kind, t.Temperature))
	case t.Kind == CrossEntropy && t.Temperature != 0 && t.Temperature != 1:
		panic(fmt.Sprintf("kernel: Term: %v has temperature %v, want none", t.Kind, t.Temperature))
	case t.Kind == JSD && !(t.Beta > 0 && t.Beta < 1):
		panic(fmt.Sprintf("kernel: Term: %v has beta %v, want it in (0,1)", t.Kind, t.Beta))
	}
}

// row is the loss of one row: s and t are the logits [V] of student and
// teacher, label the wanted token (negative: none, no cross entropy). It sets
// g to scale·∂ℓ/∂s, unless scale is 0, and returns ℓ. g may be s and is
// overwritten either way; p and q [V] are scratch, p only JSD's.
func row[T tensor.Float](term *Term, g, s, t []T, label int32, scale float64, p, q []T) float64 {
	τ := term.temperature()
	switch term.Kind {
	case ReverseKL:
		return reverseKL(g, s, t, τ, scale, q)
	case ForwardKL:
		return forwardKL(g, s, t, τ, scale)
	case JSD:
		return jsd(g, s, t, τ, term.Beta, scale, p, q)
	}
	return crossEntropy(g, s, label, scale)
}

// logSumExp returns log Σ exp(x/τ) rounded to T, and what rounding took off:
// at logits of 30 a float32 is 1e-6 wide, more than a small divergence bears.
func logSumExp[T tensor.Float](x []T, τ float64) (lse T, lost float64) {
	m, z := vec.LogSumExp(x, T(1/τ))
	exact := float64(m) + math.Log(float64(z))
	return T(exact), exact - float64(T(exact))
}

// softmax sets q to exp(x/τ - m), m the largest x/τ, and returns m + log Σq,
// which is log Σ exp(x/τ), and 1/Σq. The rest is left unnormalised: callers
// fold 1/Σq into a factor they apply anyway.
func softmax[T tensor.Float](q, x []T, τ float64) (lse, inverse float64) {
	m := T(1/τ) * vec.Max(x)
	z := float64(vec.ExpSum(q, x, T(1/τ), m))
	return float64(m) + math.Log(z), 1 / z
}

// logRatio sets u to log(q/p) = (s-t)/τ - (log Z_s - log Z_t). Subtracting the
// logits first keeps the digits that s - log Z_s would lose. u may be s.
func logRatio[T tensor.Float](u, s, t []T, τ, lseS, lseT float64) {
	a, c := T(1/τ), T(lseS-lseT)
	for i := range u {
		u[i] = (s[i]-t[i])*a - c
	}
}

// reverseKL: ℓ = τ²·Σ q·u with u = log(q/p), and ∂ℓ/∂s = τ·q·(u - Σ q·u).
func reverseKL[T tensor.Float](g, s, t []T, τ, scale float64, q []T) float64 {
	ls, es := logSumExp(s, τ)
	lt, et := logSumExp(t, τ)
	// The loop sees log q + es and log p + et, so every u is off by es-et and
	// every q by the factor exp(es).
	seen := vec.ReverseKLRow(q, s, t, T(1/τ), ls, lt)
	kl := float64(seen)*math.Exp(-es) - (es - et)
	if scale != 0 {
		vec.ReverseKLGrad(g, s, t, T(1/τ), ls, lt, T(kl+es-et), T(scale*τ*math.Exp(-es)))
	}
	return τ * τ * kl
}

// centered sets g[i] = c·q[i]·(g[i] - mean): the softmax's Jacobian applied to
// g when mean is g's mean under it.
func centered[T tensor.Float](g, q []T, c, mean T) {
	for i := range g {
		g[i] = c * q[i] * (g[i] - mean)
	}
}

// forwardKL: ℓ = τ²·Σ p·log(p/q), and ∂ℓ/∂s = τ·(q - p).
func forwardKL[T tensor.Float](g, s, t []T, τ, scale float64) float64 {
	ls, es := logSumExp(s, τ)
	lt, et := logSumExp(t, τ)
	seen := vec.ForwardKLRow(g, s, t, T(1/τ), ls, lt)
	if scale != 0 {
		vec.Scale(g, T(scale*τ), g)
	}
	return τ * τ * (float64(seen)*math.Exp(-et) - (et - es))
}

// jsd: with r = log(m/q) and u = log(q/p),
//
//	ℓ = τ²·(-β·Σ p·(u + r) - (1-β)·Σ q·r)     ∂ℓ/∂s = -τ·(1-β)·q·(r - Σ q·r)
//
// r = log((1-β) + β·p/q) = log(1-β) + softplus(log(β/(1-β)) - u) is finite for
// any u.
func jsd[T tensor.Float](g, s, t []T, τ, β, scale float64, p, q []T) float64 {
	lseT, invT := softmax(p, t, τ)
	lseS, _ := softmax(q, s, τ)
	logRatio(g, s, t, τ, lseS, lseT)
	teacher := -β * invT * float64(vec.Dot(p, g))
	logit, rest := T(math.Log(β)-math.Log1p(-β)), T(math.Log1p(-β))
	for i, u := range g {
		g[i] = logit - u
	}
	vec.Softplus(g, g)
	for i := range g {
		g[i] += rest
	}
	teacher -= β * invT * float64(vec.Dot(p, g))
	// Where one token holds nearly all of q the gradient is r minus almost
	// itself: only sums in float64 leave it digits.
	var sum, dot float64
	for i, v := range q {
		sum += float64(v)
		dot += float64(v) * float64(g[i])
	}
	mean := dot / sum
	if scale != 0 {
		centered(g, q, T(-scale*τ*(1-β)/sum), T(mean))
	}
	return τ * τ * (teacher - (1-β)*mean)
}

// crossEntropy: ℓ = log Z - s[label], and ∂ℓ/∂s = q - onehot(label). Without a
// label both are 0.
func crossEntropy[T tensor.Float](g, s []T, label int32, scale float64) float64 {
	if label < 0 {
		clear(g)
		return 0
	}
	want := float64(s[label])
	lse, inv := softmax(g, s, 1)
	if scale != 0 {
		vec.Scale(g, T(scale*inv), g)
		g[label] -= T(scale)
	}
	return lse - want
}
