package layers

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	G "gorgonia.org/gorgonia"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/tensor"
)

// biased is a model whose one attention has random biases.
func biased(t *testing.T) (*Attention, *Config) {
	m := featureModel(t, "a", func(c *Config) { c.QKVBias = true }, tensor.F64)
	return m.Blocks[0].Mixer.(*Attention), &m.Config
}

// scanned runs what a mixer does between its projections on the projections of
// u, to which shift is added row by row.
func scanned(t *testing.T, m Mixer, c *Config, u, start *tensor.Tensor, shift []float64) []float64 {
	t.Helper()
	n, d := u.Dim(0), u.Dim(1)
	times := func(x *tensor.Tensor, w *Param) *tensor.Tensor {
		y := tensor.New(tensor.F64, x.Dim(0), w.Value.Dim(0))
		project[float64](nil, y, x, w.Value)
		return y
	}
	var y *G.Node
	s, err := autodiff.Build(nil, func(g *autodiff.Graph) error {
		f := &Forward{Graph: g, Batch: &Batch{B: start.Dim(0), T: start.Dim(1), IDs: tensor.New(tensor.I32, n), Start: start}}
		f.bind(&Model{Config: *c, Embed: &Param{Value: tensor.New(tensor.F64, 1, d)}})
		in := m.Params()[0]
		proj := times(u, in)
		for i, v := range tensor.Data[float64](proj) {
			tensor.Data[float64](proj)[i] = v + shift[i%len(shift)]
		}
		switch x := m.(type) {
		case *Mamba2:
			y = f.apply(f.mamba2(x.Config), g.Input("proj", proj), f.param(x.ConvW), f.param(x.ConvB), f.param(x.DtBias),
				f.param(x.ALog), f.param(x.Skip), f.param(x.NormW), f.start)
		case *Mamba1:
			y = f.apply(f.mamba1(x.Config), g.Input("proj", proj), g.Input("dt", times(times(u, x.DtIn), x.Dt)), f.param(x.ConvW),
				f.param(x.ConvB), f.param(x.DtBias), f.param(x.ALog), f.param(x.Skip), f.start)
		}
		g.Keep(y)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	return float64s(s.Value(y))
}

// TestAFittedMixerHasTheBiasesOfTheAttention: the fit's identity convolution
// adds just what biases of in_proj would.
func TestAFittedMixerHasTheBiasesOfTheAttention(t *testing.T) {
	a, c := biased(t)
	bias := tensor.Data[float64](a.QKVBias.Value)
	hp, gp := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	q, k, v := bias[:hp], bias[hp:hp+gp], bias[hp+gp:]
	start := tensor.New(tensor.I32, 2, 11)
	u, target := tensor.New(tensor.F64, 22, c.HiddenSize), tensor.New(tensor.F64, 22, c.HiddenSize)
	r := rand.New(rand.NewPCG(1, 1))
	Normal(u, 1, r)
	Normal(target, 1, r)
	cal := Calibration{In: []*tensor.Tensor{u}, Out: []*tensor.Tensor{target}, Start: []*tensor.Tensor{start}}

	s2 := Mamba2For(c)
	m2 := newMamba2(maker{tensor.New, tensor.F64}, c.HiddenSize, s2, 0)
	if err := TransferMamba2(m2, a, c, 0.02, r); err != nil {
		t.Fatal(err)
	}
	if _, err := FitMamba2(nil, m2, a, c, cal, Ridge); err != nil {
		t.Fatal(err)
	}
	shift := make([]float64, s2.ProjDim())
	e := s2.Inner()
	for h := range c.Heads { // z | x of each head | B | C | Δ
		kv := h * c.KVHeads / c.Heads
		p := c.HeadDim
		copy(shift[e+h*p:], v[kv*p:(kv+1)*p])
		copy(shift[2*e+h*p:], k[kv*p:(kv+1)*p])
		copy(shift[3*e+h*p:], q[h*p:(h+1)*p])
	}
	same(t, "mamba2", m2, m2.ConvB, c, u, start, shift)

	s1 := Mamba1For(c)
	m1 := newMamba1(maker{tensor.New, tensor.F64}, c.HiddenSize, s1, 0)
	if err := TransferMamba1(m1, a, c, 0.02, r); err != nil {
		t.Fatal(err)
	}
	if _, err := FitMamba1(nil, m1, a, c, cal, Ridge); err != nil {
		t.Fatal(err)
	}
	shift = make([]float64, 2*s1.Inner+2*s1.XB) // z | x | B | C, of which x alone has a bias
	copy(shift[s1.Inner:], v)
	same(t, "mamba1", m1, m1.ConvB, c, u, start, shift)
}

// same compares the mixer with itself without its convolution's bias, given
// shifted projections instead.
func same(t *testing.T, what string, m Mixer, convB *Param, c *Config, u, start *tensor.Tensor, shift []float64) {
	t.Helper()
	with := scanned(t, m, c, u, start, []float64{0})
	convB.Value.Zero()
	without := scanned(t, m, c, u, start, []float64{0})
	want := scanned(t, m, c, u, start, shift)
	worst, changes := 0.0, 0.0
	for i, v := range want {
		worst, changes = max(worst, v-with[i], with[i]-v), max(changes, v-without[i])
	}
	if worst > 1e-12 || changes < 1e-3 {
		t.Errorf("%s: off by %g, the biases change results by %g", what, worst, changes)
	}
}

func TestABiasPassesThroughTheTapsOfTheConvolution(t *testing.T) {
	w, b := &Param{Value: tensor.From([]float64{1, 2, 3, 4, -1, 0.5}, 2, 1, 3)}, &Param{Value: tensor.New(tensor.F64, 2)}
	setConvBias(w, b, []float64{10, -2})
	if d := cmp.Diff([]float64{60, -7}, tensor.Data[float64](b.Value)); d != "" {
		t.Error(d)
	}
}

func TestATransferSaysWhatItLeavesBehind(t *testing.T) {
	plain := featureModel(t, "a", func(*Config) {}, tensor.F32)
	if g := TransferGaps(plain.Blocks[0].Mixer.(*Attention), &plain.Config, KindMamba1); g != nil {
		t.Errorf("got %q of an attention that fits", g)
	}
	m := featureModel(t, "a", func(c *Config) { c.QKVBias, c.OutBias, c.QKNorm, c.Window = true, true, true, 8 }, tensor.F32)
	a := m.Blocks[0].Mixer.(*Attention)
	for kind, want := range map[Kind][]string{
		KindMamba2: {"norm of each query and key head", "bias of o_proj", "window of 8 tokens"},
		KindMamba1: {"norm of each query and key head", "biases of q and k", "bias of o_proj", "window of 8 tokens"},
	} {
		got := TransferGaps(a, &m.Config, kind)
		if len(got) != len(want) {
			t.Errorf("%s: got %q", kind, got)
			continue
		}
		for i, w := range want {
			if !strings.Contains(got[i], w) {
				t.Errorf("%s: got %q, want %q", kind, got[i], w)
			}
		}
	}
}
