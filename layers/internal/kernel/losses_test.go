package kernel

import (
	"fmt"
	"math"
	"testing"

	"stillhouse/layers/tensor"
)

// goldenTerms are the losses of losses.safetensors under their names there.
func goldenTerms() map[string]Term {
	terms := map[string]Term{"cross_entropy": {Kind: CrossEntropy, Weight: 1}}
	for _, τ := range []float64{1, 2} {
		for name, t := range map[string]Term{
			"reverse_kl": {Kind: ReverseKL}, "forward_kl": {Kind: ForwardKL},
			"jsd0.5": {Kind: JSD, Beta: 0.5}, "jsd0.1": {Kind: JSD, Beta: 0.1},
		} {
			t.Weight, t.Temperature = 1, τ
			terms[fmt.Sprintf("%s.T%v", name, τ)] = t
		}
	}
	return terms
}

// goldenLoss is the mean of the term over the golden's unmasked rows, and its
// gradient in the student's logits.
func goldenLoss[T tensor.Float](g golden, term Term) (loss float64, grad []T) {
	s, teacher := goldenFloats[T](g, "student"), goldenFloats[T](g, "teacher")
	mask, labels := goldenFloats[float64](g, "mask"), g.ints("labels")
	n := len(mask)
	v := len(s) / n
	var count float64
	for _, m := range mask {
		count += m
	}
	grad = make([]T, len(s))
	p, q := make([]T, v), make([]T, v)
	for i, m := range mask {
		if m != 0 {
			lo, hi := i*v, (i+1)*v
			loss += m / count * row(&term, grad[lo:hi], s[lo:hi], teacher[lo:hi], labels[i], m/count, p, q)
		}
	}
	return loss, grad
}

func lossesMatchTorch[T tensor.Float](t *testing.T, tol float64) {
	g := openGolden(t, "losses.safetensors")
	for name, term := range goldenTerms() {
		loss, grad := goldenLoss[T](g, term)
		want := goldenFloats[float64](g, name+".loss")
		if e := relative([]float64{loss}, want); !(e <= tol) {
			t.Errorf("%s: got loss %.9g, want %.9g: off by %.3g, allowed %.3g", name, loss, want[0], e, tol)
		}
		if e := relative(grad, goldenFloats[float64](g, name+".grad")); !(e <= tol) {
			t.Errorf("%s: gradient off by %.3g, allowed %.3g", name, e, tol)
		}
	}
}

func TestLossesAndGradientsMatchTorch(t *testing.T) {
	t.Run("float64", func(t *testing.T) { lossesMatchTorch[float64](t, 1e-7) }) // the file is rounded to float32
	t.Run("float32", func(t *testing.T) { lossesMatchTorch[float32](t, 1e-6) })
}

// naiveLoss is a term as its definition reads, on one row, in float64.
func naiveLoss[T tensor.Float](term Term, s, t []T, label int32) float64 {
	τ := term.Temperature
	if τ == 0 {
		τ = 1
	}
	logSoftmax := func(x []T) []float64 {
		l, m, z := make([]float64, len(x)), math.Inf(-1), 0.0
		for i, v := range x {
			l[i] = float64(v) / τ
			m = max(m, l[i])
		}
		for _, v := range l {
			z += math.Exp(v - m)
		}
		for i := range l {
			l[i] -= m + math.Log(z)
		}
		return l
	}
	lq := logSoftmax(s)
	if term.Kind == CrossEntropy {
		if label < 0 {
			return 0
		}
		return -lq[label]
	}
	lp := logSoftmax(t)
	var loss float64
	for i := range lq {
		p, q := math.Exp(lp[i]), math.Exp(lq[i])
		switch term.Kind {
		case ReverseKL:
			loss += q * (lq[i] - lp[i])
		case ForwardKL:
			loss += p * (lp[i] - lq[i])
		case JSD:
			a, b := math.Log(term.Beta)+lp[i], math.Log(1-term.Beta)+lq[i]
			lm := max(a, b) + math.Log1p(math.Exp(-math.Abs(a-b)))
			loss += term.Beta*p*(lp[i]-lm) + (1-term.Beta)*q*(lq[i]-lm)
		}
	}
	return τ * τ * loss
}

// everyKind is one term of each kind with temperatures and weights of their own.
func everyKind() []Term {
	return []Term{
		{Kind: ReverseKL, Weight: 1}, {Kind: ReverseKL, Weight: 0.7, Temperature: 2},
		{Kind: ForwardKL, Weight: 0.5, Temperature: 1}, {Kind: ForwardKL, Weight: 1.5, Temperature: 3},
		{Kind: JSD, Weight: 2, Beta: 0.5}, {Kind: JSD, Weight: 1, Temperature: 0.5, Beta: 0.1},
		{Kind: CrossEntropy, Weight: 0.3},
	}
}

func TestLossesSurviveLogitsFarApart(t *testing.T) {
	for _, shift := range []float64{0, 30, -500} {
		s, te := tensor.Data[float32](random[float32](1, 20, 33)), tensor.Data[float32](random[float32](2, 20, 33))
		for i := range s {
			s[i] += float32(shift)
		}
		for _, term := range everyKind() {
			g, p, q := make([]float32, 33), make([]float32, 33), make([]float32, 33)
			got := row(&term, g, s, te, 5, 1, p, q)
			want := naiveLoss(term, s, te, 5)
			if !(math.Abs(got-want) <= 1e-5*(1+want)) {
				t.Errorf("%v at %v, shift %v: got %v, want %v", term.Kind, term.Temperature, shift, got, want)
			}
			var sum, size float64
			for _, v := range g {
				sum += float64(v)
				size += math.Abs(float64(v))
			}
			if !(math.Abs(sum) <= 1e-5*size+1e-7) { // a softmax ignores a common shift
				t.Errorf("%v: gradient sums to %v of %v", term.Kind, sum, size)
			}
		}
	}
}

func TestSmallDivergencesSurviveLargeLogits(t *testing.T) {
	// At 300 a float32 is 3e-5 wide: log Z rounded to it would drown these losses.
	s, te := tensor.Data[float32](random[float32](1, 1, 50)), make([]float32, 50)
	for i, e := range tensor.Data[float32](random[float32](2, 0.05, 50)) {
		te[i] = 270 + s[i] + e
		s[i] += 300
	}
	for _, kind := range []LossKind{ReverseKL, ForwardKL} {
		g, q := make([]float32, 50), make([]float32, 50)
		got, want := row(&Term{Kind: kind}, g, s, te, -1, 1, nil, q), naiveLoss(Term{Kind: kind}, s, te, -1)
		if !(math.Abs(got-want) <= 1e-6) || want > 1e-2 {
			t.Errorf("%v: got %v, want %v", kind, got, want)
		}
	}
}

func TestEqualLogitsHaveNoDivergenceAndNoGradient(t *testing.T) {
	s := tensor.Data[float32](random[float32](1, 3, 50))
	for _, term := range everyKind()[:6] {
		g, p, q := make([]float32, 50), make([]float32, 50), make([]float32, 50)
		loss := row(&term, g, s, s, -1, 1, p, q)
		near(t, term.Kind.String(), append(g, float32(loss)), make([]float32, 51), 1e-6)
	}
}

func TestTemperatureDividesBothSides(t *testing.T) {
	// Scaling both rows by τ and raising the temperature to τ changes nothing but
	// the factor τ². With one side's temperature dropped the two would differ.
	const n, τ = 41, 2.5
	s, te := tensor.Data[float64](random[float64](1, 2, n)), tensor.Data[float64](random[float64](2, 2, n))
	hotS, hotT := make([]float64, n), make([]float64, n)
	for i := range s {
		hotS[i], hotT[i] = τ*s[i], τ*te[i]
	}
	p, q := make([]float64, n), make([]float64, n)
	for _, kind := range []LossKind{ReverseKL, ForwardKL, JSD} {
		cold, hot := Term{Kind: kind, Beta: 0.3}, Term{Kind: kind, Beta: 0.3, Temperature: τ}
		g, hotG := make([]float64, n), make([]float64, n)
		a := row(&cold, g, s, te, -1, τ, p, q)
		b := row(&hot, hotG, hotS, hotT, -1, 1, p, q)
		near(t, kind.String()+" loss", []float64{b}, []float64{τ * τ * a}, 1e-12)
		near(t, kind.String()+" gradient", hotG, g, 1e-12)
	}
}

func TestGradientMayOverwriteTheStudentsLogits(t *testing.T) {
	for _, term := range everyKind() {
		s, te := tensor.Data[float32](random[float32](1, 2, 37)), tensor.Data[float32](random[float32](2, 2, 37))
		g, p, q := make([]float32, 37), make([]float32, 37), make([]float32, 37)
		a := row(&term, g, s, te, 3, 1, p, q)
		b := row(&term, s, s, te, 3, 1, p, q)
		near(t, term.Kind.String(), append(s, float32(b)), append(g, float32(a)), 0)
	}
}

func TestTermsOutsideTheirDomainPanic(t *testing.T) {
	for _, term := range []Term{
		{Kind: 9}, {Kind: ReverseKL, Temperature: -1}, {Kind: ForwardKL, Temperature: math.NaN()},
		{Kind: JSD}, {Kind: JSD, Beta: 1}, {Kind: CrossEntropy, Temperature: 2},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v: no panic", term)
				}
			}()
			term.check()
		}()
	}
}
