package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
		"mistral-headdim-window": {ModelType: "mistral", VocabSize: 67, HiddenSize: 32, Intermediate: 72, Mixers: four(Attention, Attention), NormEps: 1e-6,
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
		"llama-tied-rope3": `llama: not supported: rope_parameters of type "llama3"`,
		"llama-bias":       "attention_bias true; mlp_bias true",
		"qwen2":            `model_type "qwen2"`,
		"qwen3":            `model_type "qwen3"`,
		"bamba":            `model_type "bamba"`,
		"jamba":            `model_type "jamba"`,
		"falcon_mamba":     `model_type "falcon_mamba"`,
	} {
		_, err := ParseConfig(golden(t, name))
		var u *UnsupportedError
		if !errors.Is(err, ErrUnsupported) || !errors.As(err, &u) || len(u.Features) == 0 || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
}

// changed is a golden's config.json with keys replaced, or removed by "".
func changed(t testing.TB, name string, change map[string]string) []byte {
	t.Helper()
	var o map[string]json.RawMessage
	if err := json.Unmarshal(golden(t, name), &o); err != nil {
		t.Fatal(err)
	}
	for k, v := range change {
		if v == "" {
			delete(o, k)
		} else {
			o[k] = json.RawMessage(`"@` + k + `@"`)
		}
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	for k, v := range change { // after Marshal: values need not be JSON
		s = strings.Replace(s, `"@`+k+`@"`, v, 1)
	}
	return []byte(s)
}

func TestEveryFeatureThatWouldChangeTheResultIsRefused(t *testing.T) {
	for _, c := range []struct{ model, key, value, want string }{
		{"llama-gqa", "hidden_act", `"gelu"`, `hidden_act "gelu"`},
		{"llama-gqa", "rope_scaling", `{"type":"linear","factor":2}`, `rope_scaling of type "linear"`},
		{"llama-gqa", "rope_scaling", `{"rope_type":"yarn","factor":2}`, `rope_scaling of type "yarn"`},
		{"llama-gqa", "rope_scaling", `{"rope_type":"default","factor":2}`, `rope_scaling.factor 2`},
		{"llama-gqa", "rope_parameters", `{"full_attention":{"rope_theta":1}}`, `rope_parameters.full_attention`},
		{"llama-gqa", "rope_parameters", `{"rope_type":"default","partial_rotary_factor":0.5}`, `partial_rotary_factor 0.5`},
		{"llama-gqa", "partial_rotary_factor", `0.5`, `partial_rotary_factor 0.5`},
		{"llama-gqa", "layer_types", `["full_attention","sliding_attention"]`, `layer_types[1] "sliding_attention"`},
		{"llama-gqa", "sliding_window", `128`, `sliding_window 128`},
		{"llama-gqa", "qk_norm", `true`, `qk_norm true`},
		{"llama-gqa", "num_local_experts", `8`, `num_local_experts 8`},
		{"llama-gqa", "quantization_config", `{"bits":4}`, `quantization_config`},
		{"llama-gqa", "auto_map", `{"AutoModel":"x.Y"}`, `auto_map`},
		{"llama-gqa", "final_logit_softcapping", `30.0`, `final_logit_softcapping`},
		{"granitehybrid", "embedding_multiplier", `12`, `embedding_multiplier 12`},
		{"granitehybrid", "residual_multiplier", `0.22`, `residual_multiplier 0.22`},
		{"granitehybrid", "logits_scaling", `8`, `logits_scaling 8`},
		{"granitehybrid", "num_local_experts", `64`, `num_local_experts 64`},
		{"granitehybrid", "num_local_experts", ``, `num_local_experts is missing`},
		{"granitehybrid", "mamba_proj_bias", `true`, `mamba_proj_bias true`},
		{"granitehybrid", "mamba_conv_bias", `false`, `mamba_conv_bias false`},
		{"granitehybrid", "position_embedding_type", `"alibi"`, `position_embedding_type "alibi"`},
		{"granitehybrid", "layer_types", `["attention","mamba","attention","moe"]`, `layer_types[3] "moe"`},
		{"granitehybrid", "time_step_limit", `[0.001, 0.1]`, `time_step_limit [0.001 0.1]`},
		{"mamba2", "use_bias", `true`, `use_bias true`},
		{"mamba2", "use_conv_bias", `false`, `use_conv_bias false`},
		{"mamba2", "rms_norm", `false`, `rms_norm false`},
		{"mamba2", "time_step_limit", `[0.0, 1.0]`, `time_step_limit [0 1]`},
	} {
		if _, err := ParseConfig(changed(t, c.model, map[string]string{c.key: c.value})); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s %s: got %v", c.model, c.key, c.value, err)
		}
	}
}

func TestABadConfigSaysAllThatIsWrong(t *testing.T) {
	_, err := ParseConfig([]byte(`{"model_type":"llama","vocab_size":"many","hidden_size":-4,"num_hidden_layers":1001,"intermediate_size":1.5,"num_attention_heads":0,"rms_norm_eps":0}`))
	for _, want := range []string{`vocab_size is "many"`, "hidden_size is -4", "num_hidden_layers is 1001", "intermediate_size is 1.5", "num_attention_heads is 0", "rms_norm_eps is 0"} {
		if !errors.Is(err, ErrConfig) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for name, c := range map[string]struct{ config, want string }{
		"empty":            {``, "EOF"},
		"array":            {`[]`, "cannot unmarshal"},
		"null":             {`null`, "not an object"},
		"cut short":        {`{"model_type":`, "byte"},
		"text after":       {`{} x`, "after top-level value"},
		"duplicate":        {`{"model_type":"llama","model_type":"mamba2"}`, `"model_type" is there twice`},
		"nested duplicate": {`{"rope_parameters":{"rope_theta":1,"rope_theta":2}}`, `"rope_theta" is there twice`},
		"deep":             {strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), "deeper than 64"},
		"not UTF-8":        {"{\"\xff\":1}", "UTF-8"},
		"no type":          {`{}`, "model_type is missing"},
		"type of no text":  {`{"model_type":3}`, "model_type is 3"},
		"ours, empty":      {`{"model_type":"stillhouse"}`, "stillhouse is no object"},
		"ours, a list":     {`{"model_type":"stillhouse","stillhouse":[]}`, "stillhouse is no object"},
	} {
		if _, err := ParseConfig([]byte(c.config)); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
	for _, c := range []struct{ model, key, value, want string }{
		{"llama-gqa", "num_key_value_heads", "3", "no multiple of num_key_value_heads 3"},
		{"llama-gqa", "head_dim", "7", "head_dim is 7"},
		{"llama-gqa", "hidden_size", "9223372036854775808", "hidden_size is 9.2"},
		{"llama-gqa", "hidden_size", "1e308", "hidden_size is 1e+308"},
		{"llama-gqa", "hidden_size", "NaN", "hidden_size is NaN"},
		{"llama-gqa", "rope_theta", "-1", "rope_theta is -1"},
		{"llama-gqa", "rope_theta", "Infinity", "rope_theta is +Inf"},
		{"llama-gqa", "eos_token_id", "[-1]", "eos_token_id"},
		{"llama-gqa", "tie_word_embeddings", `"no"`, "tie_word_embeddings"},
		{"granitehybrid", "layer_types", `["mamba"]`, "1 entries for 4 layers"},
		{"granitehybrid", "mamba_n_heads", `6`, "no multiple of mamba_n_groups 4"},
		{"granitehybrid", "mamba_expand", `2`, "mamba_expand 2 times hidden_size 32"},
		{"granitehybrid", "time_step_limit", `[0]`, "time_step_limit"},
		{"mamba2", "num_heads", "7", "expand 2 times hidden_size 32"},
	} {
		if _, err := ParseConfig(changed(t, c.model, map[string]string{c.key: c.value})); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s %s: got %v", c.model, c.key, c.value, err)
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
		"another type":      func(c *Config) { c.ModelType = "qwen2" },
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
	for _, name := range []string{"llama-gqa", "llama-tied-rope3", "mistral-headdim-window", "granitehybrid", "mamba2", "bamba"} {
		f.Add(golden(f, name))
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

func TestTheWeightsOfTheGoldensAreThoseOfTheirFiles(t *testing.T) {
	for _, name := range []string{"llama-gqa", "mistral-headdim-window", "granitehybrid", "mamba2"} {
		m, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all, err := m.ReadAll()
		if err != nil || len(all) != len(m.Weights().Names()) || len(m.Names()) != len(all) {
			t.Errorf("%s: %d of %d weights, %v", name, len(all), len(m.Weights().Names()), err)
		}
		for n := range maps.Keys(all) {
			if all[n].Size() == 0 {
				t.Errorf("%s: %s is empty", name, n)
			}
		}
		if b, err := m.ReadFile(GenerationFile); err != nil || len(b) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
