package hf

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name, ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConfigsOfTransformersAreReadInFull(t *testing.T) {
	four := func(a, b Mixer) []Mixer { return []Mixer{a, b, a, b} }
	for name, want := range map[string]*Config{
		"llama-gqa": {ModelType: "llama", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Attention, Attention), NormEps: 1e-6,
			MaxPositions: 512, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 10000},
		"llama-bias": {ModelType: "llama", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Attention, Attention), NormEps: 1e-6,
			MaxPositions: 512, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 10000, QKVBias: true, OutBias: true, MLPBias: true},
		"llama-tied-rope3": {ModelType: "llama", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Attention, Attention), NormEps: 1e-6, Tied: true,
			MaxPositions: 512, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 500000,
			RopeScaling: &RopeScaling{Type: "llama3", Factor: 8, LowFactor: 1, HighFactor: 4, OriginalPositions: 64}},
		"qwen2": {ModelType: "qwen2", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Attention, Attention), NormEps: 1e-6, Tied: true,
			MaxPositions: 512, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 10000, QKVBias: true},
		"qwen3": {ModelType: "qwen3", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Attention, Attention), NormEps: 1e-6,
			MaxPositions: 512, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 16, RopeTheta: 10000, QKNorm: true},
		"mistral-headdim-window": {ModelType: "mistral", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Sliding, Sliding), NormEps: 1e-6,
			MaxPositions: 512, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 16, RopeTheta: 10000, Window: 24},
		"granitehybrid": {ModelType: "granitemoehybrid", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Attention, Mamba2), NormEps: 1e-6,
			MaxPositions: 512, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 10000, AttentionMultiplier: 0.3535533905932738,
			Mamba: &MambaConfig{Heads: 4, HeadDim: 8, Groups: 4, State: 8, Conv: 4, Chunk: 16}},
		"mamba2": {ModelType: "mamba2", VocabSize: 67, HiddenSize: 32, Mixers: []Mixer{Mamba2, Mamba2}, NormEps: 1e-5, BOS: 1, EOS: []int{2},
			Mamba: &MambaConfig{Heads: 8, HeadDim: 8, Groups: 1, State: 16, Conv: 4, Chunk: 16}},
	} {
		c, err := ParseConfig(golden(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(want, c); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		b, err := c.Encode()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := ParseConfig(b)
		if d := cmp.Diff(c, again); err != nil || d != "" {
			t.Errorf("%s written and read again: %v %s", name, err, d)
		}
	}
}

func TestWhatIsNotSupportedIsRefusedByName(t *testing.T) {
	for name, want := range map[string]string{
		"bamba":        `model_type "bamba", whose attention turns only half of each head`,
		"jamba":        `model_type "jamba", whose Mamba-1 norms`,
		"falcon_mamba": `model_type "falcon_mamba", whose Mamba-1 norms`,
	} {
		_, err := ParseConfig(golden(t, name))
		var u *UnsupportedError
		if !errors.Is(err, ErrUnsupported) || !errors.As(err, &u) || len(u.Features) == 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

func TestOldAndNewSpellingsMeanTheSame(t *testing.T) {
	for _, c := range []struct {
		model  string
		change map[string]string
		check  func(c *Config) any
		want   any
	}{
		{"llama-gqa", map[string]string{"rope_parameters": "", "rope_theta": "5e5", "rope_scaling": "null"}, func(c *Config) any { return c.RopeTheta }, 5e5},
		{"llama-gqa", map[string]string{"rope_parameters": ""}, func(c *Config) any { return c.RopeTheta }, 10000.0},
		{"llama-gqa", map[string]string{"rope_parameters": `{"rope_theta":7}`, "rope_theta": "5e5"}, func(c *Config) any { return c.RopeTheta }, 7.0},
		{"llama-gqa", map[string]string{"rope_scaling": `{"type":"default"}`}, func(c *Config) any { return c.RopeTheta }, 10000.0},
		{"llama-gqa", map[string]string{"num_key_value_heads": "", "head_dim": ""}, func(c *Config) any { return [2]int{c.KVHeads, c.HeadDim} }, [2]int{4, 8}},
		{"llama-gqa", map[string]string{"head_dim": "null", "bos_token_id": "null", "eos_token_id": "[3,4]"}, func(c *Config) any { return fmt.Sprint(c.HeadDim, c.BOS, c.EOS) }, "8 -1 [3 4]"},
		{"mistral-headdim-window", map[string]string{"sliding_window": "null"}, func(c *Config) any { return c.Window }, 0},
		{"mistral-headdim-window", map[string]string{"sliding_window": ""}, func(c *Config) any { return c.Window }, 4096},
		{"mistral-headdim-window", map[string]string{"layer_types": `["sliding_attention","sliding_attention","sliding_attention","sliding_attention"]`}, func(c *Config) any { return fmt.Sprint(c.Window, c.Mixers[3]) }, "24sliding_attention"},
		{"qwen2", map[string]string{"use_sliding_window": "true", "sliding_window": "16", "max_window_layers": "1", "layer_types": ""}, func(c *Config) any { return fmt.Sprint(c.Window, c.Mixers) }, "16 [attention sliding_attention sliding_attention sliding_attention]"},
		{"qwen3", map[string]string{"use_sliding_window": "true", "sliding_window": "16", "layer_types": `["sliding_attention","full_attention","sliding_attention","full_attention"]`}, func(c *Config) any { return fmt.Sprint(c.Window, c.Mixers) }, "16 [sliding_attention attention sliding_attention attention]"},
		{"qwen3", map[string]string{"sliding_window": "16", "max_window_layers": "1", "layer_types": ""}, func(c *Config) any { return fmt.Sprint(c.Window, c.Mixers[3]) }, "0attention"},
		{"qwen3", map[string]string{"attention_bias": "true"}, func(c *Config) any { return [2]bool{c.QKVBias, c.OutBias} }, [2]bool{true, true}},
		{"qwen3", map[string]string{"head_dim": "", "num_key_value_heads": "null"}, func(c *Config) any { return [2]int{c.HeadDim, c.KVHeads} }, [2]int{128, 4}},
		{"qwen2", map[string]string{"hidden_size": "64", "num_attention_heads": "32", "num_key_value_heads": ""}, func(c *Config) any { return [2]int{c.HeadDim, c.KVHeads} }, [2]int{2, 32}},
		{"granitehybrid", map[string]string{"attention_bias": "true", "embedding_multiplier": "12", "residual_multiplier": "0.22", "logits_scaling": "8.0"}, func(c *Config) any {
			return fmt.Sprint(c.QKVBias, c.OutBias, c.EmbeddingMultiplier, c.ResidualMultiplier, c.LogitsScaling)
		}, "true true 12 0.22 8"},
		{"granitehybrid", map[string]string{"layer_types": "", "layers_block_type": `["mamba","attention","mamba","mamba"]`}, func(c *Config) any { return fmt.Sprint(c.Mixers) }, "[mamba2 attention mamba2 mamba2]"},
		{"granitehybrid", map[string]string{"layer_types": `["attention","mamba","mamba","linear_attention"]`}, func(c *Config) any { return fmt.Sprint(c.Mixers) }, "[attention mamba2 mamba2 mamba2]"},
		{"granitehybrid", map[string]string{"position_embedding_type": "null"}, func(c *Config) any { return c.RopeTheta }, 0.0},
		{"granitehybrid", map[string]string{"attention_multiplier": ""}, func(c *Config) any { return c.AttentionMultiplier }, 1.0},
		{"granitehybrid", map[string]string{"mamba_d_head": `"auto"`}, func(c *Config) any { return c.Mamba.HeadDim }, 8},
		{"granitehybrid", map[string]string{"time_step_limit": "[0.0, Infinity]"}, func(c *Config) any { return c.Layers() }, 4},
		{"mamba2", map[string]string{"time_step_limit": "null"}, func(c *Config) any { return c.Layers() }, 2},
	} {
		got, err := ParseConfig(changed(t, c.model, c.change))
		if err != nil {
			t.Errorf("%s %v: %v", c.model, c.change, err)
		} else if v := c.check(got); v != c.want {
			t.Errorf("%s %v: got %v want %v", c.model, c.change, v, c.want)
		}
	}
}

func TestInfinityIsQuotedOnlyOutsideOfStrings(t *testing.T) {
	for in, want := range map[string]string{
		`[Infinity,-Infinity,NaN]`: `["Infinity","-Infinity","NaN"]`, `{"Infinity":"a\"NaN"}`: `{"Infinity":"a\"NaN"}`,
		`NaN`: `"NaN"`, `"\\"NaN`: `"\\""NaN"`, `{"a":Infinity}`: `{"a":"Infinity"}`, `Infinity"NaN"`: `"Infinity""NaN"`, ``: ``, `"\`: `"\`,
	} {
		if got := string(quoteInfinities([]byte(in))); got != want {
			t.Errorf("%s: got %s want %s", in, got, want)
		}
	}
}

func TestEncodeRefusesWhatWouldBeReadBackOtherwise(t *testing.T) {
	c, err := ParseConfig(golden(t, "llama-gqa"))
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Config){
		"a window in llama": func(c *Config) { c.Window = 8 },
		"mamba in llama":    func(c *Config) { c.Mixers = []Mixer{Mamba2} },
		"no rotary":         func(c *Config) { c.RopeTheta = 0 },
		"a scale":           func(c *Config) { c.AttentionMultiplier = 2 },
		"another type":      func(c *Config) { c.ModelType = "bamba" },
		"Qwen3's norm":      func(c *Config) { c.QKNorm = true },
		"one bias of two":   func(c *Config) { c.QKVBias = true },
		"a multiplier":      func(c *Config) { c.ResidualMultiplier = 0.22 },
		"a layer of none":   func(c *Config) { c.Mixers = []Mixer{Identity} },
	} {
		d := *c
		change(&d)
		if _, err := d.Encode(); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	// Granite takes 1 where the key is missing, so 1/sqrt(P) is written out.
	g, err := ParseConfig(golden(t, "granitehybrid"))
	if err != nil {
		t.Fatal(err)
	}
	g.AttentionMultiplier = 0
	b, err := g.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := ParseConfig(b); err != nil || again.AttentionMultiplier != 0.35355339059327373 {
		t.Errorf("got %v %v", again, err)
	}
}

func FuzzConfig(f *testing.F) {
	for _, name := range []string{"llama-gqa", "llama-bias", "llama-tied-rope3", "mistral-headdim-window", "qwen2", "qwen3", "granitehybrid", "mamba2", "bamba"} {
		f.Add(golden(f, name))
	}
	f.Add([]byte(aprielConfig))
	for _, r := range ropes {
		f.Add(changed(f, "llama-gqa", map[string]string{"rope_parameters": r.object}))
	}
	f.Add([]byte(`{"model_type":"stillhouse","stillhouse":{"a":Infinity}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseConfig(b)
		switch {
		case err != nil:
			if !errors.Is(err, ErrConfig) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("neither bad nor unsupported: %v", err)
			}
			return
		case c.ModelType == "stillhouse":
			return
		}
		names := map[string]bool{}
		for _, w := range c.Weights() {
			names[w.Name] = true
		}
		if len(names) != len(c.Weights()) {
			t.Fatalf("a weight is there twice: %v", c.Weights())
		}
		e, err := c.Encode()
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		again, err := ParseConfig(e)
		if err != nil || !sameConfig(c, again) {
			t.Fatalf("%+v became %+v: %v", c, again, err)
		}
	})
}
