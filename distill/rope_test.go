package distill

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"stillhouse/checkpoints/hf"
)

// TestScaledPositionsAreThoseOfTransformers holds every kind of rotary scaling,
// from config.json to angles, against transformers 5.17. testdata/rope.json has
// what LlamaRotaryEmbedding of that configuration gave for a sequence of the
// length, in float32:
//
//	e = LlamaRotaryEmbedding(LlamaConfig(**config))
//	cos, sin = e(torch.zeros(1, length, 1, dtype=torch.float64), torch.arange(length)[None])
//	e.inv_freq, e.attention_scaling, cos[0, length-1, :head_dim//2], sin[0, length-1, :head_dim//2]
func TestScaledPositionsAreThoseOfTransformers(t *testing.T) {
	b, err := os.ReadFile("testdata/rope.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name     string
		Length   int
		Config   json.RawMessage
		Inverse  []float64 `json:"inv_freq"`
		Factor   float64   `json:"attention_factor"`
		Cos, Sin []float64
	}
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]bool{}
	for _, want := range cases {
		h, err := hf.ParseConfig(want.Config)
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
			continue
		}
		c, _, err := configOf(h)
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
			continue
		}
		if c.RopeScaling != nil {
			kinds[c.RopeScaling.Type] = true
		}
		got, factor := c.RopeFrequencies(want.Length)
		if len(got) != len(want.Inverse) || math.Abs(factor-want.Factor) > 1e-12 {
			t.Errorf("%s: got %d frequencies and factor %v, want %d and %v", want.Name, len(got), factor, len(want.Inverse), want.Factor)
			continue
		}
		at := float64(want.Length - 1)
		for i, f := range got {
			// Theirs are in float32: a few roundings of 6e-8 each, times the position.
			if d := math.Abs(f - want.Inverse[i]); d > 5e-7*want.Inverse[i] {
				t.Errorf("%s: frequency %d is %v, want %v", want.Name, i, f, want.Inverse[i])
			}
			if math.Abs(factor*math.Cos(at*f)-want.Cos[i]) > 1e-6*(1+at*f) || math.Abs(factor*math.Sin(at*f)-want.Sin[i]) > 1e-6*(1+at*f) {
				t.Errorf("%s: cos and sin %d are %v and %v, want %v and %v", want.Name, i, factor*math.Cos(at*f), factor*math.Sin(at*f), want.Cos[i], want.Sin[i])
			}
		}
	}
	if len(kinds) != 5 {
		t.Errorf("the kinds are %v, want five", kinds)
	}
}
