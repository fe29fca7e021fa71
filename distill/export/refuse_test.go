package export

import (
	"errors"
	"strings"
	"testing"

	"stillhouse/layers"
)

// small is a model of two layers of attention that every format can hold; with
// mamba, its second layer is Mamba-2 with a norm over all of E.
func small(mamba bool, change func(c *layers.Config, m *layers.Mamba2Config)) *layers.Config {
	c := &layers.Config{VocabSize: 11, HiddenSize: 16, Intermediate: 8, Heads: 4, KVHeads: 2, HeadDim: 4, RopeTheta: 1e4, NormEps: 1e-5, MaxPositions: 64,
		Mixers: []layers.Mixed{{Kind: layers.KindAttention}, {Kind: layers.KindAttention}}}
	m := layers.Mamba2For(c)
	if mamba {
		c.Mixers[1] = layers.Mixed{Kind: layers.KindMamba2, Mamba2: &m}
	}
	if change != nil {
		change(c, &m)
	}
	return c
}

func TestWhatAFormatCannotHoldIsRefusedWithTheSettingThatWouldMakeIt(t *testing.T) {
	type config = layers.Config
	type mamba = layers.Mamba2Config
	for _, c := range []struct {
		name   string
		c      *config
		o      Options
		reason string // "" is no refusal
		hint   string
	}{
		{"a transformer", small(false, nil), Options{Format: Granite}, "", ""},
		{"a transformer", small(false, nil), Options{Format: GGUF}, "", ""},
		{"a transformer", small(false, nil), Options{Format: Apriel}, "", ""},
		{"norm full", small(true, nil), Options{Format: Granite, Runtime: Transformers}, "", ""},
		{"norm full", small(true, nil), Options{Format: Granite, Runtime: VLLM}, "normed over all of its 4 groups, and vLLM norms each", "norm: grouped"},
		{"norm full", small(true, nil), Options{Format: GGUF}, "normed over all of its 4 groups, and llama.cpp norms each", "norm: grouped"},
		{"norm grouped", small(true, func(c *config, m *mamba) { m.GroupedNorm = true }), Options{Format: GGUF}, "", ""},
		{"norm grouped", small(true, func(c *config, m *mamba) { m.GroupedNorm = true }), Options{Format: Granite}, "", ""},
		{"norm grouped", small(true, func(c *config, m *mamba) { m.GroupedNorm = true }), Options{Format: Granite, Runtime: Transformers}, "normed per group of 4, and transformers norms over all groups", "norm: full"},
		{"one group", small(true, func(c *config, m *mamba) { m.Groups = 1 }), Options{Format: Granite, Runtime: VLLM}, "", ""},
		{"one group", small(true, func(c *config, m *mamba) { m.Groups = 1 }), Options{Format: GGUF}, "", ""},
		{"Mamba-2", small(true, nil), Options{Format: Apriel}, "layer 1 is Mamba-2", "granitemoehybrid"},
		{"Mamba-1", small(false, func(c *config, m *mamba) {
			x := layers.Mamba1For(c)
			c.Mixers[0] = layers.Mixed{Kind: layers.KindMamba1, Mamba1: &x}
		}), Options{Format: Granite}, "layer 0 is Mamba-1", "type: mamba2"},
		{"no layer", small(false, func(c *config, m *mamba) { c.Mixers[0].Kind = layers.KindIdentity }), Options{Format: GGUF}, "layer 0 is not there", "apriel"},
		{"QK-norm", small(false, func(c *config, m *mamba) { c.QKNorm = true }), Options{Format: Granite}, "QK-norm", "Llama"},
		{"MLP biases", small(false, func(c *config, m *mamba) { c.MLPBias = true }), Options{Format: Granite}, "MLPs have biases", "gguf"},
		{"MLP biases", small(false, func(c *config, m *mamba) { c.MLPBias = true }), Options{Format: GGUF}, "", ""},
		{"no MLP", small(true, func(c *config, m *mamba) { c.Intermediate = 0 }), Options{Format: Granite}, "no MLP", ""},
		{"a window", small(false, func(c *config, m *mamba) { c.Window = 32 }), Options{Format: Granite}, "window of 32 tokens, and the context is 64", "--context 32"},
		{"a window as long as the context", small(false, func(c *config, m *mamba) { c.Window = 32 }), Options{Format: Granite, Context: 32}, "", ""},
		{"attention that cannot fill the width", small(true, func(c *config, m *mamba) {
			c.HiddenSize = 24
			m.GroupedNorm = true
			m.Heads, m.Groups = 6, 6
			c.KVHeads = 4
		}), Options{Format: Granite}, "cannot be filled up", ""},
		{"attention that cannot fill the width", small(true, func(c *config, m *mamba) { c.HiddenSize = 24; m.Heads, m.Groups = 6, 6; c.KVHeads = 4 }), Options{Format: Granite}, "", ""},
		{"Mamba-2 too wide", small(true, func(c *config, m *mamba) { m.GroupedNorm = true; m.Heads, m.Groups = 12, 12 }), Options{Format: GGUF}, "have 48 channels, more than 32", "hidden_size"},
		{"rotary scaling", small(true, func(c *config, m *mamba) {
			m.Groups = 1
			c.RopeScaling = &layers.RopeScaling{Type: layers.RopeDynamic, Factor: 2}
		}), Options{Format: GGUF}, `"dynamic"`, "granitemoehybrid"},
		{"yarn of its own", small(true, func(c *config, m *mamba) {
			m.Groups = 1
			c.RopeScaling = &layers.RopeScaling{Type: layers.RopeYarn, Factor: 2, BetaFast: 16, BetaSlow: 1, Truncate: true, AttentionFactor: 1, OriginalPositions: 32}
		}), Options{Format: GGUF}, "yarn", "granitemoehybrid"},
		{"multipliers in a transformer", small(false, func(c *config, m *mamba) { c.LogitsDivisor = 8 }), Options{Format: GGUF}, "multipliers", "granitemoehybrid"},
		{"multipliers in a hybrid", small(true, func(c *config, m *mamba) { m.Groups = 1; c.LogitsDivisor = 8 }), Options{Format: GGUF}, "", ""},
		{"biases", small(false, func(c *config, m *mamba) { c.QKVBias = true }), Options{Format: Apriel}, "biases", "Mistral"},
	} {
		err := Check(c.c, c.o)
		var r *Refusal
		switch {
		case c.reason == "" && err != nil:
			t.Errorf("%s as %s: %v", c.name, c.o.Format, err)
		case c.reason == "":
		case !errors.As(err, &r) || !errors.Is(err, ErrRefused):
			t.Errorf("%s as %s for %q: got %v, want a refusal: %s", c.name, c.o.Format, c.o.Runtime, err, c.reason)
		case !strings.Contains(r.Reasons[0].What, c.reason) || !strings.Contains(r.Reasons[0].Hint, c.hint):
			t.Errorf("%s as %s for %q: got %v, want %q and hint %q", c.name, c.o.Format, c.o.Runtime, err, c.reason, c.hint)
		}
	}
}

func TestAllReasonsAreNamedAtOnce(t *testing.T) {
	c := small(false, func(c *layers.Config, _ *layers.Mamba2Config) { c.QKNorm, c.Intermediate, c.Window = true, 0, 8 })
	want := `cannot be exported as granitemoehybrid:
  queries and keys are normed (QK-norm) (hint: a teacher without it: Llama, Mistral or Qwen2)
  the blocks have no MLP
  attention sees a window of 8 tokens, and the context is 64 (hint: --context 8 promises no more than the window)`
	if err := Check(c, Options{Format: Granite}); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
