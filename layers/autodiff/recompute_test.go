package autodiff

import (
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/tensor"
)

// keeper is y = x², whose Backward reads what Forward kept of x: wrong numbers
// unless its own Forward came right before.
type keeper struct {
	n    int
	kept []float64
	runs *int
}

func (*keeper) Name() string      { return "keeper" }
func (k *keeper) OutShape() []int { return []int{k.n} }
func (*keeper) UsesIn(int) bool   { return false }
func (k *keeper) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	*k.runs++
	copy(k.kept, f64(in[0]))
	for i, v := range k.kept {
		f64(out)[i] = v * v
	}
}
func (k *keeper) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, _ []*tensor.Tensor) {
	for i, v := range k.kept {
		f64(gin[0])[i] = 2 * v * f64(gout)[i]
	}
}

// weighted is y = w⊙x.
type weighted struct{ n int }

func (weighted) Name() string      { return "weighted" }
func (o weighted) OutShape() []int { return []int{o.n} }
func (weighted) Keeps() bool       { return false }
func (weighted) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	for i := range f64(out) {
		f64(out)[i] = f64(in[0])[i] * f64(in[1])[i]
	}
}
func (weighted) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	for i, g := range f64(gout) {
		if gin[0] != nil {
			f64(gin[0])[i] = g * f64(in[1])[i]
		}
		f64(gin[1])[i] += g * f64(in[0])[i]
	}
}

// tower is L blocks x = x + w2⊙(w1⊙x)² over n numbers, and Σ x². Shared blocks
// have one keeper between them.
func tower(t *testing.T, n, blocks int, again, shared bool) (s *Session, loss *G.Node, grads []*tensor.Tensor, runs *int) {
	t.Helper()
	runs = new(int)
	s, err := Build(nil, func(g *Graph) error {
		grads = nil
		param := func(name string) *G.Node {
			w := ramp(n)
			for i := range f64(w) {
				f64(w)[i] = 0.3 + 0.1*f64(w)[i]*float64(len(grads)+1)
			}
			grads = append(grads, tensor.New(tensor.F64, n))
			return g.Param(name, w, grads[len(grads)-1])
		}
		var one *keeper
		x := g.Input("x", ramp(n))
		for l := range blocks {
			add := func() *G.Node {
				if one == nil || !shared {
					one = &keeper{n, make([]float64, n), runs}
				}
				h := g.Apply(one, g.Apply(weighted{n}, x, param("w1."+string(rune('a'+l)))))
				y := g.Apply(weighted{n}, h, param("w2."+string(rune('a'+l))))
				return g.Apply(residual{[]int{n}}, x, y)
			}
			if again {
				x = g.Recompute(add)
			} else {
				x = add()
			}
		}
		loss = g.Apply(square{}, x)
		g.Keep(loss)
		return g.Grad(loss)
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, loss, grads, runs
}

func TestRecomputedSegmentsGiveTheSameBitsOverOneKernel(t *testing.T) {
	const n, blocks = 7, 5
	s, loss, want, runs := tower(t, n, blocks, false, false)
	again, loss2, got, runs2 := tower(t, n, blocks, true, true)
	for range 2 { // gradients of parameters accumulate
		for _, s := range []*Session{s, again} {
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if a, b := f64(s.Value(loss))[0], f64(again.Value(loss2))[0]; a != b || a == 0 {
		t.Errorf("loss %v, recomputed %v", a, b)
	}
	for i := range want {
		if !tensor.Equal(want[i], got[i]) {
			t.Errorf("gradient %d: %v, recomputed %v", i, f64(want[i]), f64(got[i]))
		}
	}
	if *runs != 2*blocks || *runs2 != 4*blocks {
		t.Errorf("%d and %d forward passes of keepers, want %d and %d", *runs, *runs2, 2*blocks, 4*blocks)
	}
}

func TestRecomputedSegmentsKeepTheirInputsOnly(t *testing.T) {
	const n = 64
	planned := func(blocks int, again bool) int {
		s, _, _, _ := tower(t, n, blocks, again, false)
		return s.Memory().Planned / (8 * n) // buffers
	}
	if d := planned(12, true) - planned(4, true); d != 8 {
		t.Errorf("8 more recomputed blocks take %d more buffers, want their 8 inputs", d)
	}
	if d := planned(12, false) - planned(4, false); d < 16 {
		t.Errorf("8 more blocks take %d more buffers, want more than their inputs", d)
	}
}

func TestAKernelThatIsOverwrittenBeforeItsBackwardIsABug(t *testing.T) {
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "before its Backward") {
			t.Errorf("got %v", r)
		}
	}()
	runs := 0
	k := &keeper{3, make([]float64, 3), &runs}
	_, err := Build(nil, func(g *Graph) error {
		x := g.Recompute(func() *G.Node { // twice in one segment: the second destroys what the first kept
			h := g.Apply(k, g.Apply(weighted{3}, g.Input("x", ramp(3)), g.Param("w", ramp(3), tensor.New(tensor.F64, 3))))
			return g.Apply(k, h)
		})
		return g.Grad(g.Apply(square{}, x))
	})
	t.Errorf("no panic, error %v", err)
}
