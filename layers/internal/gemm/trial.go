package gemm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// Trial is a float32 product of random operands on one of the processor's
// instruction sets, to be timed beside that set's peak.
type Trial struct {
	Form    Form
	M, N, K int
	engine  *engine[float32]
	a, b, c []float32
}

// ISAs names the float32 paths this processor can run, the fastest last.
func ISAs() (names []string) {
	for _, e := range singles {
		names = append(names, e.isa.name)
	}
	return names
}

// FormByName returns NN, NT, TN or TT.
func FormByName(name string) (Form, error) {
	for f := NN; f <= TT; f++ {
		if f.String() == name {
			return f, nil
		}
	}
	return 0, fmt.Errorf("unknown form %q (hint: NN, NT, TN or TT)", name)
}

// NewTrial returns a product C[m,n] = op(A)·op(B) over k on the named path, or on the
// one that Gemm takes for it if there is no name.
func NewTrial(isa string, f Form, m, n, k int) (*Trial, error) {
	if isa == "" {
		isa = engineOf[float32](n, k).isa.name
	}
	at := slices.IndexFunc(singles, func(e *engine[float32]) bool { return e.isa.name == isa })
	if at < 0 {
		return nil, fmt.Errorf("no instruction set %q here (hint: %s)", isa, strings.Join(ISAs(), ", "))
	}
	if m < 1 || n < 1 || k < 1 || f > TT {
		return nil, fmt.Errorf("product %v of %d×%d×%d (hint: sizes of at least 1)", f, m, n, k)
	}
	r := rand.New(rand.NewPCG(uint64(m), uint64(n)))
	draw := func(n int) []float32 {
		x := tensor.Make[float32](n)
		for i := range x {
			x[i] = 2*r.Float32() - 1
		}
		return x
	}
	return &Trial{f, m, n, k, singles[at], draw(m * k), draw(k * n), tensor.Make[float32](m * n)}, nil
}

// Run multiplies once.
func (t *Trial) Run(p *parallel.Pool) {
	lda, ldb := t.K, t.N
	if t.Form.transA() {
		lda = t.M
	}
	if t.Form.transB() {
		ldb = t.K
	}
	t.engine.multiply(p, t.Form, t.M, t.N, t.K, t.a, lda, t.b, ldb, t.c, t.N, false)
}

// Flops returns the arithmetic of one Run.
func (t *Trial) Flops() float64 { return 2 * float64(t.M) * float64(t.N) * float64(t.K) }

// ISA names the trial's path.
func (t *Trial) ISA() string { return t.engine.isa.name }

// Peak is [Peak] on the trial's instruction set, or on the widest vectors if it is on a
// matrix unit, in a tenth of the time: the best of three runs of 3 ms, short enough to
// be repeated beside every measurement.
func (t *Trial) Peak(p *parallel.Pool) float64 {
	s := t.engine.isa
	if s.parts {
		s = vectors
	}
	return s.peak(p, 3, 3*time.Millisecond)
}

// MatrixPeak is [MatrixPeak], as short, if the trial is on a matrix unit; else 0.
func (t *Trial) MatrixPeak(p *parallel.Pool) float64 {
	if !t.engine.isa.parts {
		return 0
	}
	return t.engine.isa.peak(p, 3, 3*time.Millisecond)
}
