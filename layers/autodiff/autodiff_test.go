package autodiff

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	gt "gorgonia.org/tensor"

	"stillhouse/layers/tensor"
)

// matmul is y = x·w, x [n,k], w [k,m]: a parameter's gradient accumulates.
type matmul struct{ n, k, m int }

func (o matmul) Name() string    { return "matmul" }
func (o matmul) OutShape() []int { return []int{o.n, o.m} }
func (o matmul) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	y, x, w := f64(out), f64(in[0]), f64(in[1])
	for i := range o.n {
		for j := range o.m {
			y[i*o.m+j] = 0
			for q := range o.k {
				y[i*o.m+j] += x[i*o.k+q] * w[q*o.m+j]
			}
		}
	}
}
func (o matmul) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	g := f64(gout)
	if gin[0] != nil {
		gin[0].Zero()
	}
	for i := range o.n {
		for j := range o.m {
			for q := range o.k {
				if gin[0] != nil {
					f64(gin[0])[i*o.k+q] += g[i*o.m+j] * f64(in[1])[q*o.m+j]
				}
				if gin[1] != nil {
					f64(gin[1])[q*o.m+j] += g[i*o.m+j] * f64(in[0])[i*o.k+q]
				}
			}
		}
	}
}

// square is the scalar Σ x².
type square struct{}

func (square) Name() string    { return "square" }
func (square) OutShape() []int { return nil }
func (square) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	f64(out)[0] = 0
	for _, v := range f64(in[0]) {
		f64(out)[0] += v * v
	}
}
func (square) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	for i, v := range f64(in[0]) {
		f64(gin[0])[i] = 2 * v * f64(gout)[0]
	}
}

// residual is x + y; both gradients are gout itself.
type residual struct{ shape []int }

func (residual) Name() string      { return "residual" }
func (o residual) OutShape() []int { return o.shape }
func (residual) Passes(int) bool   { return true }
func (residual) Keeps() bool       { return false }
func (residual) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	for i := range f64(out) {
		f64(out)[i] = f64(in[0])[i] + f64(in[1])[i]
	}
}
func (residual) Backward([]*tensor.Tensor, *tensor.Tensor, *tensor.Tensor, []*tensor.Tensor) {
	panic("residual: Backward must not be called")
}

// explode panics when it runs.
type explode struct{ square }

func (explode) Forward(*tensor.Tensor, []*tensor.Tensor) { panic("boom") }

func f64(t *tensor.Tensor) []float64 { return tensor.Data[float64](t) }

func ramp(shape ...int) *tensor.Tensor {
	t := tensor.New(tensor.F64, shape...)
	for i := range f64(t) {
		f64(t)[i] = math.Sin(float64(3*i + 1))
	}
	return t
}

// twoLayers is Σ (x + (x·w1)·w2)²: fan-out of x, a residual, two parameters.
func twoLayers(g *Graph, x, w1, w2, g1, g2 *tensor.Tensor) (loss, xn *G.Node) {
	xn = g.Input("x", x)
	h := g.Apply(matmul{3, 4, 5}, xn, g.Param("w1", w1, g1))
	y := g.Apply(matmul{3, 5, 4}, h, g.Param("w2", w2, g2))
	return g.Apply(square{}, g.Apply(residual{[]int{3, 4}}, xn, y)), xn
}

func TestAKernelThatOnlyAddsFindsZerosInADiscardedGradient(t *testing.T) {
	g1, g2 := tensor.New(tensor.F64, 4, 5), tensor.New(tensor.F64, 5, 4)
	s, err := Build(nil, func(g *Graph) error {
		loss, _ := twoLayers(g, ramp(3, 4), ramp(4, 5), ramp(5, 4), g1, g2)
		return g.Grad(loss)
	})
	if err != nil {
		t.Fatal(err)
	}
	for micro := range 2 { // the second adds to the first
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		want := []*tensor.Tensor{g1.Clone(), g2.Clone()}
		g1.Discard()
		g2.Discard()
		for range micro + 1 {
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
		}
		if !tensor.Equal(g1, want[0]) || !tensor.Equal(g2, want[1]) {
			t.Errorf("%d runs over discarded gradients: got %v and %v, want %v and %v", micro+1, f64(g1), f64(g2), f64(want[0]), f64(want[1]))
		}
	}
}

func TestGradMatchesFiniteDifferencesAndGorgoniasOwnGrad(t *testing.T) {
	x, w1, w2 := ramp(3, 4), ramp(4, 5), ramp(5, 4)
	g1, g2 := tensor.New(tensor.F64, 4, 5), tensor.New(tensor.F64, 5, 4)
	var loss, xn, dx *G.Node
	s, err := Build(nil, func(g *Graph) error {
		loss, xn = twoLayers(g, x, w1, w2, g1, g2)
		g.Keep(loss)
		if err := g.Grad(loss, xn); err != nil {
			return err
		}
		dx = g.Gradient(xn)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func() float64 {
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		return f64(s.Value(loss))[0]
	}
	run()
	grads := map[*tensor.Tensor][]float64{}
	for w, g := range map[*tensor.Tensor]*tensor.Tensor{x: s.Value(dx), w1: g1, w2: g2} {
		grads[w] = append([]float64(nil), f64(g)...)
	}
	for w, g := range grads {
		for i := range f64(w) {
			const h = 1e-6
			v := f64(w)[i]
			f64(w)[i] = v + h
			up := run()
			f64(w)[i] = v - h
			down := run()
			f64(w)[i] = v
			if num := (up - down) / (2 * h); math.Abs(num-g[i]) > 1e-7*(1+math.Abs(num)) {
				t.Errorf("%v entry %d: got %v, differences say %v", w, i, g[i], num)
			}
		}
	}
	// Stock Gorgonia, its own operations and its own Grad, as a second opinion.
	g := G.NewGraph()
	node := func(name string, v *tensor.Tensor) *G.Node {
		d := gt.New(gt.WithShape(v.Shape()...), gt.WithBacking(append([]float64(nil), f64(v)...)))
		return G.NewMatrix(g, gt.Float64, G.WithName(name), G.WithShape(v.Shape()...), G.WithValue(d))
	}
	sx, s1, s2 := node("x", x), node("w1", w1), node("w2", w2)
	y := G.Must(G.Add(sx, G.Must(G.Mul(G.Must(G.Mul(sx, s1)), s2))))
	if _, err := G.Grad(G.Must(G.Sum(G.Must(G.Square(y)))), sx, s1, s2); err != nil {
		t.Fatal(err)
	}
	m := G.NewTapeMachine(g)
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	for n, w := range map[*G.Node]*tensor.Tensor{sx: x, s1: w1, s2: w2} {
		v, err := n.Grad()
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range v.Data().([]float64) {
			if got := grads[w][i]; math.Abs(got-want) > 1e-12*(1+math.Abs(want)) {
				t.Errorf("%s entry %d: got %v, Gorgonia's Grad %v", n.Name(), i, got, want)
			}
		}
	}
}

func TestParameterGradientsAccumulateOverRuns(t *testing.T) {
	g1 := tensor.New(tensor.F64, 4, 5)
	s, err := Build(nil, func(g *Graph) error {
		loss, _ := twoLayers(g, ramp(3, 4), ramp(4, 5), ramp(5, 4), g1, nil)
		return g.Grad(loss)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	once := append([]float64(nil), f64(g1)...)
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	for i, v := range f64(g1) {
		if math.Abs(v-2*once[i]) > 1e-14*math.Abs(v) {
			t.Fatalf("entry %d after two runs: got %v, want %v", i, v, 2*once[i])
		}
	}
}

func TestFrozenBranchesMakeNoBackwardNodes(t *testing.T) {
	nodes := func(g1, g2 *tensor.Tensor) int {
		s, err := Build(nil, func(g *Graph) error {
			loss, _ := twoLayers(g, ramp(3, 4), ramp(4, 5), ramp(5, 4), g1, g2)
			return g.Grad(loss)
		})
		if err != nil {
			t.Fatal(err)
		}
		return s.Nodes()
	}
	both := nodes(tensor.New(tensor.F64, 4, 5), tensor.New(tensor.F64, 5, 4))
	last := nodes(nil, tensor.New(tensor.F64, 5, 4))
	if last != both-1 { // the first product has no backward node
		t.Errorf("got %d nodes with w1 frozen and %d without, want one fewer", last, both)
	}
}

func TestGradSaysWhenNothingTrains(t *testing.T) {
	_, err := Build(nil, func(g *Graph) error {
		loss, _ := twoLayers(g, ramp(3, 4), ramp(4, 5), ramp(5, 4), nil, nil)
		return g.Grad(loss)
	})
	if err == nil || !strings.Contains(err.Error(), "depends on nothing that trains") {
		t.Errorf("got %v, want an error about nothing that trains", err)
	}
	_, err = Build(nil, func(g *Graph) error {
		g.Param("unused", ramp(2), tensor.New(tensor.F64, 2))
		loss, _ := twoLayers(g, ramp(3, 4), ramp(4, 5), ramp(5, 4), tensor.New(tensor.F64, 4, 5), nil)
		return g.Grad(loss)
	})
	if err == nil || !strings.Contains(err.Error(), "unused does not influence the loss") {
		t.Errorf("got %v, want an error that names the unused parameter", err)
	}
}

func TestAPanicInAKernelIsAnErrorWithItsName(t *testing.T) {
	s, err := Build(nil, func(g *Graph) error {
		g.Apply(explode{}, g.Input("x", ramp(2)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var p *PanicError
	if err := s.Run(); !errors.As(err, &p) || p.Value != "boom" || p.Op != "square" {
		t.Errorf("got %v, want a PanicError of square: boom", err)
	}
}

func TestTwoLeavesOfOneNameAreRefused(t *testing.T) {
	defer func() {
		if r := recover(); r == nil {
			t.Error("the second leaf named x was accepted")
		}
	}()
	_, _ = Build(nil, func(g *Graph) error {
		g.Input("x", ramp(2))
		g.Input("x", ramp(2))
		return nil
	})
}

// collide returns two names whose leaves [2] have one Gorgonia hash: FNV-1a
// over type, shape and name. Of 200,000 names about five pairs collide.
func collide(t *testing.T) (a, b string) {
	leaf := newGraph(nil, 0).Input("x", ramp(2))
	seen := map[uint32]string{}
	for i := range 400_000 {
		name := fmt.Sprintf("%x", uint64(i+1)*0x9e3779b97f4a7c15)
		h := fnv.New32a()
		fmt.Fprintf(h, "%v%v%s\x00", leaf.Type(), leaf.Shape(), name)
		if other, ok := seen[h.Sum32()]; ok {
			return other, name
		}
		seen[h.Sum32()] = name
	}
	t.Fatal("no two names collide")
	return "", ""
}

func TestACollisionOfHashesIsFoundAndSaltedAway(t *testing.T) {
	a, b := collide(t)
	tries := 0
	var la, lb *G.Node
	s, err := Build(nil, func(g *Graph) error {
		tries++
		la = g.Apply(square{}, g.Input(a, tensor.From([]float64{1, 2}, 2)))
		lb = g.Apply(square{}, g.Input(b, tensor.From([]float64{3, 4}, 2)))
		g.Keep(la, lb)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if tries != 2 {
		t.Errorf("built %d times, want a second time under another salt", tries)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	if x, y := f64(s.Value(la))[0], f64(s.Value(lb))[0]; x != 5 || y != 25 {
		t.Errorf("got %v and %v, want 5 and 25: the leaves were merged", x, y)
	}
}

func TestThePlanSharesMemoryAndChangesNothing(t *testing.T) {
	deep := func(keep bool) (float64, Memory) {
		var loss *G.Node
		s, err := Build(nil, func(g *Graph) error {
			x := g.Input("x", ramp(4, 4))
			for i := range 12 {
				x = g.Apply(matmul{4, 4, 4}, x, g.Input("w"+string(rune('a'+i)), ramp(4, 4)))
				if keep {
					g.Keep(x)
				}
			}
			loss = g.Apply(square{}, x)
			g.Keep(loss)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		return f64(s.Value(loss))[0], s.Memory()
	}
	shared, m := deep(false)
	apart, all := deep(true)
	if shared != apart {
		t.Errorf("got loss %v with shared memory, %v without", shared, apart)
	}
	if m.Planned*4 > m.Unshared || all.Planned < all.Unshared {
		t.Errorf("planned %+v shared, %+v kept", m, all)
	}
}

func TestARunAllocatesOnlyWhatTheMachineDoes(t *testing.T) {
	g1, g2 := tensor.New(tensor.F64, 4, 5), tensor.New(tensor.F64, 5, 4)
	s, err := Build(nil, func(g *Graph) error {
		loss, _ := twoLayers(g, ramp(3, 4), ramp(4, 5), ramp(5, 4), g1, g2)
		return g.Grad(loss)
	})
	if err != nil {
		t.Fatal(err)
	}
	allocs := testing.AllocsPerRun(20, func() { _ = s.Run() })
	if perNode := allocs / float64(s.Nodes()); perNode > 10 {
		t.Errorf("got %.1f allocations a node, the machine alone makes about 7", perNode)
	}
}
