package hf

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// aprielConfig is spelled as Apriel-H1's checkpoints spell theirs, small.
const aprielConfig = `{
  "architectures": ["AprielThinkerSSMHybridForCausalLM"],
  "auto_map": {"AutoModelForCausalLM": "modeling_apriel.AprielThinkerSSMHybridForCausalLM"},
  "model_type": "apriel_ssm_thinker_hybrid",
  "hybrid_block_layout": ["t", "m2", "i", "m2"],
  "ssm_cfg": {"d_state": 4, "d_xb": 16, "d_inner": 32, "d_conv": 4, "expand": 1, "conv_bias": true, "bias": false, "dt_rank": "auto",
    "dt_min": 0.001, "dt_max": 0.1, "dt_init": "random", "dt_scale": 1.0, "dt_init_floor": 1e-4, "dt_proj_bias": true, "repeat_kv_before_conv": true,
    "head_dim": 8, "layer_norm_epsilon": 1e-5, "activation": "identity", "chunk_size": 128, "n_qk_heads": 4, "n_v_heads": 4},
  "hidden_act": "silu", "hidden_size": 40, "head_dim": 8, "intermediate_size": 48, "num_attention_heads": 4, "num_key_value_heads": 2,
  "num_hidden_layers": 4, "rope_theta": 1000000.0, "max_position_embeddings": 65536, "rms_norm_eps": 1e-05, "sliding_window": null,
  "tie_word_embeddings": false, "torch_dtype": "bfloat16", "vocab_size": 64, "bos_token_id": 1, "eos_token_id": 2
}`

func TestAnAprielHybridIsReadInFullAndWrittenBack(t *testing.T) {
	for _, name := range []string{"apriel_ssm_thinker_hybrid", "apriel_hybrid_ssm"} {
		c, err := ParseConfig([]byte(strings.Replace(aprielConfig, "apriel_ssm_thinker_hybrid", name, 1)))
		if err != nil {
			t.Fatal(err)
		}
		want := &Config{ModelType: name, VocabSize: 64, HiddenSize: 40, Intermediate: 48, Mixers: []Mixer{Attention, Mamba1, Identity, Mamba1}, NormEps: 1e-5,
			MaxPositions: 65536, BOS: 1, EOS: []int{2}, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 1e6,
			Mamba1: &Mamba1Config{Inner: 32, XB: 16, State: 4, Conv: 4, Rank: 3}} // auto: 40/16, up
		if d := cmp.Diff(want, c); d != "" {
			t.Error(d)
		}
		b, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseConfig(b)
		if d := cmp.Diff(c, again); err != nil || d != "" {
			t.Errorf("written and read again: %v %s", err, d)
		}
		names := map[string][]int{}
		for _, w := range c.Weights() {
			names[w.Name] = w.Shape
		}
		for name, shape := range map[string][]int{
			"model.layers.0.self_attn.o_proj.weight": {40, 32}, "model.layers.1.mixer.in_proj.weight": {96, 40},
			"model.layers.1.mixer.dt_in_proj.weight": {3, 40}, "model.layers.1.mixer.conv1d.weight": {32, 1, 4},
			"model.layers.3.mixer.A_log": {32, 4}, "model.layers.3.mlp.down_proj.weight": {40, 48}, "model.layers.2.input_layernorm.weight": nil,
		} {
			if d := cmp.Diff(shape, names[name]); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
	}
}

func TestWhatAprielLeavesOutTakesItsDefaults(t *testing.T) {
	b := strings.Replace(aprielConfig, `"d_state": 4, "d_xb": 16, "d_inner": 32, "d_conv": 4, "expand": 1,`, `"d_state": 5, "expand": 2, "d_xb": null,`, 1)
	c, err := ParseConfig([]byte(b))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&Mamba1Config{Inner: 80, XB: 40, State: 5, Conv: 4, Rank: 3}, c.Mamba1); d != "" {
		t.Error(d)
	}
}

func TestTheRankOfΔIsThatOfTheWeights(t *testing.T) {
	c, err := ParseConfig([]byte(aprielConfig))
	if err != nil {
		t.Fatal(err)
	}
	c.Mamba1.Rank = 7
	m, err := OpenFS(modelFolder(t, []byte(aprielConfig), c.Weights()), ".")
	if err != nil || m.Config.Mamba1.Rank != 7 {
		t.Errorf("got %+v %v", m, err)
	}
	mixed := c.Weights()
	for i, w := range mixed { // another rank in the other layer
		if w.Name == "model.layers.3.mixer.dt_in_proj.weight" {
			mixed[i].Shape = []int{3, 40}
		}
	}
	if _, err := OpenFS(modelFolder(t, []byte(aprielConfig), mixed), "."); !errors.Is(err, ErrWeights) {
		t.Errorf("two ranks: got %v", err)
	}
}

func TestWhatAprielHasBesidesIsRefusedByName(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{`"t", "m2", "i", "m2"`, `"t", "m2d", "i", "m2"`, `hybrid_block_layout[1] "m2d"`},
		{`"t", "m2", "i", "m2"`, `"swa", "gdn", "kl", "m2"`, `hybrid_block_layout[0] "swa"; hybrid_block_layout[1] "gdn"; hybrid_block_layout[2] "kl"`},
		{`"repeat_kv_before_conv": true`, `"repeat_kv_before_conv": false`, "ssm_cfg.repeat_kv_before_conv false"},
		{`"bias": false`, `"bias": true`, "ssm_cfg.bias true"},
		{`"sliding_window": null`, `"sliding_window": 4096`, "sliding_window 4096"},
	} {
		_, err := ParseConfig([]byte(strings.Replace(aprielConfig, c.from, c.to, 1)))
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.to, err)
		}
	}
	for _, c := range []struct{ from, to, want string }{
		{`"t", "m2", "i", "m2"`, `"t"`, "1 entries for 4 layers"},
		{`"d_xb": 16`, `"d_xb": 12`, "ssm_cfg: d_inner is 32, want a multiple of d_xb 12"},
		{`"ssm_cfg"`, `"ssm"`, "ssm_cfg is missing"},
	} {
		_, err := ParseConfig([]byte(strings.Replace(aprielConfig, c.from, c.to, 1)))
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.to, err)
		}
	}
}

func TestAnAprielFolderGoesOutAndComesBack(t *testing.T) {
	c, err := ParseConfig([]byte(aprielConfig))
	if err != nil {
		t.Fatal(err)
	}
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var named []safetensors.Named
	for i, w := range c.Weights() {
		x := tensor.New(tensor.F32, w.Shape...)
		tensor.Data[float32](x)[0] = float32(i)
		named = append(named, safetensors.Named{Name: w.Name, Tensor: x})
	}
	dir := t.TempDir() + "/apriel"
	if err := Save(dir, Export{Config: b, Weights: named}); err != nil {
		t.Fatal(err)
	}
	m, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i, n := range m.Names() {
		if x, err := m.Read(n); err != nil || tensor.Data[float32](x)[0] != float32(i) {
			t.Errorf("%s: %v", n, err)
		}
	}
}
