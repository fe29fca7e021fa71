package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"stillhouse/layers/tensor"
)

// features are the ways in which families of models differ from Llama, as
// changes of tinyConfig. kinds are the layers that show them.
var features = []struct {
	name, kinds string
	change      func(c *Config)
}{
	{"qkv bias", "aa", func(c *Config) { c.QKVBias = true }},
	{"every bias", "a2a", func(c *Config) { c.QKVBias, c.OutBias, c.MLPBias = true, true, true }},
	{"normed queries and keys", "aa", func(c *Config) { c.QKNorm, c.HeadDim = true, 6 }},
	{"normed queries and keys with biases", "a1", func(c *Config) { c.QKNorm, c.QKVBias = true, true }},
	{"multipliers", "a2", func(c *Config) {
		c.EmbedScale, c.ResidualScale, c.LogitsDivisor, c.Scale = 12, 0.22, 8, 0.015625
	}},
	{"multipliers without positions, untied, with biases", "2a1", func(c *Config) {
		c.EmbedScale, c.ResidualScale, c.LogitsDivisor, c.RopeTheta, c.Tied = 3, 0.5, 2, 0, false
		c.OutBias, c.MLPBias = true, true
	}},
	{"a window in some layers", "aaa", func(c *Config) { c.Window, c.Mixers[1].Full = 5, true }},
	{"linear positions", "aa", func(c *Config) { c.RopeScaling = &RopeScaling{Type: RopeLinear, Factor: 4} }},
	{"llama3 positions", "aa", func(c *Config) {
		c.RopeScaling = &RopeScaling{Type: RopeLlama3, Factor: 8, LowFactor: 1, HighFactor: 4, OriginalPositions: 64}
	}},
	{"yarn positions", "a2", func(c *Config) {
		c.RopeScaling = &RopeScaling{Type: RopeYarn, Factor: 4, OriginalPositions: 64, BetaFast: 32, BetaSlow: 1, Truncate: true, AttentionFactor: 1.4}
	}},
	{"an identity layer", "aia", func(*Config) {}},
	{"an identity layer with multipliers", "2ia", func(c *Config) { c.ResidualScale = 0.3 }},
}

// featureModel is tinyModel with a change; biases and norms are random too.
func featureModel(t testing.TB, kinds string, change func(c *Config), dtype tensor.DType) *Model {
	t.Helper()
	c := tinyConfig(kinds)
	for l, k := range kinds {
		if k == 'i' {
			c.Mixers[l] = Mixed{Kind: KindIdentity}
		}
	}
	change(&c)
	m, err := New(c, dtype)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(1)
	r := rand.New(rand.NewPCG(5, 5))
	for _, p := range m.Params() {
		switch {
		case p.Decays():
			Normal(p.Value, 0.3/one(c.EmbedScale), r)
		default:
			by := p.Value.Clone()
			Normal(by, 0.2, r)
			addScaled(p.Value, 1, by)
		}
	}
	return m
}

func TestEveryFeaturesGradientsMatchFiniteDifferences(t *testing.T) {
	for _, f := range features {
		t.Run(f.name, func(t *testing.T) {
			m := featureModel(t, f.kinds, f.change, tensor.F64)
			teacher := featureModel(t, f.kinds, f.change, tensor.F64)
			for _, p := range teacher.Params() {
				addScaled(p.Value, 0.1, p.Value)
			}
			b := tinyBatch(m, 2, 13, true)
			grads := map[*Param]*tensor.Tensor{}
			for _, p := range m.Params() {
				grads[p] = tensor.New(tensor.F64, p.Value.Shape()...)
			}
			s, err := NewStep(nil, StepConfig{Student: m, Teacher: teacher, Batch: b, MixerGates: true, MLPGates: true, Objective: Objective{
				{Type: ReverseKL, Weight: 0.7, Temperature: 2}, {Type: HiddenState, Weight: 0.1}, {Type: MixerOutput, Weight: 0.3, Layers: []int{0}},
			}, Grad: func(p *Param) *tensor.Tensor { return grads[p] }})
			if err != nil {
				t.Fatal(err)
			}
			loss := func() float64 {
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
				return s.Loss()
			}
			loss()
			got := map[*Param][]float64{}
			for p, g := range grads {
				got[p] = append([]float64(nil), tensor.Data[float64](g)...)
			}
			r := rand.New(rand.NewPCG(3, 3))
			for _, p := range m.Params() {
				w, some := tensor.Data[float64](p.Value), false
				for range 4 {
					j := r.IntN(len(w))
					const h = 1e-5
					v := w[j]
					w[j] = v + h
					up := loss()
					w[j] = v - h
					down := loss()
					w[j] = v
					num := (up - down) / (2 * h)
					if d := math.Abs(num - got[p][j]); d > 1e-6*(math.Abs(num)+1e-2) {
						t.Errorf("%s[%d]: got %.8g, differences say %.8g", p.Name, j, got[p][j], num)
					}
				}
				for _, v := range got[p] {
					some = some || v != 0
				}
				if !some {
					t.Errorf("the gradient of %s is zero everywhere", p.Name)
				}
			}
		})
	}
}

func TestTheDecoderEqualsTheFullForwardWithEveryFeature(t *testing.T) {
	for _, f := range features {
		for _, step := range []int{1, 3, 21} {
			t.Run(fmt.Sprint(f.name, " by ", step), func(t *testing.T) {
				decodeAgainstForward[float64](t, featureModel(t, f.kinds, f.change, tensor.F64), step, 1e-10)
				decodeAgainstForward[float32](t, featureModel(t, f.kinds, f.change, tensor.F32), step, 1e-4)
			})
		}
	}
}

func TestEveryFeatureChangesTheResult(t *testing.T) {
	for _, f := range features {
		m := featureModel(t, f.kinds, f.change, tensor.F64)
		plain := m.Share()
		plain.Config.RopeScaling, plain.Config.EmbedScale, plain.Config.ResidualScale, plain.Config.LogitsDivisor = nil, 0, 0, 0
		for l, b := range plain.Blocks { // the same weights without the feature
			if a, ok := b.Mixer.(*Attention); ok {
				plain.Blocks[l].Mixer = &Attention{QKV: a.QKV, O: a.O}
			}
			if b.MLP != nil {
				b.MLP = &MLP{GateUp: b.MLP.GateUp, Down: b.MLP.Down}
			}
		}
		if f.kinds == "aia" {
			plain.Blocks[1] = m.Blocks[0]
		}
		b := tinyBatch(m, 1, 21, false)
		x, err := Logits(nil, m, b)
		if err != nil {
			t.Fatal(err)
		}
		y, err := Logits(nil, plain, b)
		if err != nil {
			t.Fatal(err)
		}
		if tensor.Equal(x, y) {
			t.Errorf("%s: the same logits without it", f.name)
		}
	}
}

// TestPositionsThatDependOnTheLengthAreThoseOfTheDecodersCapacity: the graph's
// length is its batch's, the decoder's what it was told to expect.
func TestPositionsThatDependOnTheLengthAreThoseOfTheDecodersCapacity(t *testing.T) {
	for _, s := range []RopeScaling{
		{Type: RopeDynamic, Factor: 2},
		{Type: RopeLong, OriginalPositions: 8, AttentionFactor: 1.2, ShortFactors: []float64{1, 1.1}, LongFactors: []float64{2, 5}},
	} {
		m := featureModel(t, "aa", func(c *Config) { c.RopeScaling, c.MaxPositions = &s, 10 }, tensor.F64)
		for _, n := range []int{8, 10, 21} {
			b := tinyBatch(m, 1, n, false)
			full, err := Logits(nil, m, b)
			if err != nil {
				t.Fatal(err)
			}
			d := NewDecoder(nil, m, 1, n)
			for at, id := range tensor.Data[int32](b.IDs) {
				got := tensor.Data[float64](d.Extend([]int32{id}))
				for j, v := range got {
					if want := tensor.Data[float64](full)[at*len(got)+j]; math.Abs(v-want) > 1e-10 {
						t.Fatalf("%s, %d tokens, position %d: got %v, want %v", s.Type, n, at, v, want)
					}
				}
			}
		}
	}
}

func TestWithoutALayerItsBiasesAreSilentToo(t *testing.T) {
	m := featureModel(t, "aa", func(c *Config) { c.QKVBias, c.OutBias, c.MLPBias, c.ResidualScale = true, true, true, 0.5 }, tensor.F64)
	b := tinyBatch(m, 1, 9, false)
	without, err := Logits(nil, m.Without(1, true), b)
	if err != nil {
		t.Fatal(err)
	}
	short := m.Share()
	short.Blocks = short.Blocks[:1]
	want, err := Logits(nil, short, b)
	if err != nil {
		t.Fatal(err)
	}
	if !tensor.Equal(without, want) {
		t.Errorf("a layer left out still says something")
	}
}

func TestAConfigThatCannotBeIsNamed(t *testing.T) {
	for _, f := range []struct {
		want   string
		change func(c *Config)
	}{
		{`unknown rope_type "spiral"`, func(c *Config) { c.RopeScaling = &RopeScaling{Type: "spiral"} }},
		{"without rope_theta", func(c *Config) { c.RopeTheta, c.RopeScaling = 0, &RopeScaling{Type: RopeLinear, Factor: 2} }},
		{"every number must be finite", func(c *Config) { c.RopeScaling = &RopeScaling{Type: RopeLinear} }},
		{"high_freq_factor above", func(c *Config) {
			c.RopeScaling = &RopeScaling{Type: RopeLlama3, Factor: 8, LowFactor: 4, HighFactor: 4, OriginalPositions: 64}
		}},
		{"want head_dim/2 = 2", func(c *Config) {
			c.RopeScaling = &RopeScaling{Type: RopeLong, OriginalPositions: 8, AttentionFactor: 1, ShortFactors: []float64{1}}
		}},
		{"head_dim 2 and", func(c *Config) { c.HeadDim, c.RopeScaling = 2, &RopeScaling{Type: RopeDynamic, Factor: 2} }},
		{"residual_multiplier is -1", func(c *Config) { c.ResidualScale = -1 }},
		{"logits_scaling is +Inf", func(c *Config) { c.LogitsDivisor = math.Inf(1) }},
	} {
		c := tinyConfig("aa")
		f.change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), f.want) {
			t.Errorf("got %v, want %s", err, f.want)
		}
	}
}
