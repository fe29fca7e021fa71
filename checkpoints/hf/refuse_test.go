package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

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
		{"llama-gqa", "rope_scaling", `{"type":"linear","factor":2}`, `rope_scaling beside a rope_parameters that says otherwise`},
		{"llama-gqa", "rope_parameters", `{"type":"axial"}`, `rope_parameters of type "axial"`},
		{"llama-gqa", "rope_parameters", `{"rope_type":"default","factor":2}`, `rope_parameters.factor 2`},
		{"llama-gqa", "rope_parameters", `{"rope_type":"linear","factor":2,"beta_fast":2}`, `rope_parameters.beta_fast 2`},
		{"llama-gqa", "rope_parameters", `{"full_attention":{"rope_theta":1}}`, `rope_parameters.full_attention`},
		{"llama-gqa", "rope_parameters", `{"rope_type":"default","partial_rotary_factor":0.5}`, `partial_rotary_factor 0.5`},
		{"llama-gqa", "partial_rotary_factor", `0.5`, `partial_rotary_factor 0.5`},
		{"llama-gqa", "layer_types", `["full_attention","sliding_attention","full_attention","full_attention"]`, `layer_types[1] "sliding_attention"`},
		{"mistral-headdim-window", "layer_types", `["sliding_attention","sliding_attention","sliding_attention","full_attention"]`, `layer_types[3] "full_attention"`},
		{"mistral-headdim-window", "attention_bias", `true`, `attention_bias true`},
		{"qwen2", "layer_types", `["full_attention","sliding_attention","full_attention","full_attention"]`, `layer_types[1] "sliding_attention"`},
		{"qwen2", "layer_types", `["full_attention","chunked_attention","full_attention","full_attention"]`, `layer_types[1] "chunked_attention"`},
		{"qwen2", "mlp_bias", `true`, `mlp_bias true`},
		{"llama-gqa", "residual_multiplier", `0.22`, `residual_multiplier 0.22`},
		{"llama-gqa", "use_sliding_window", `true`, `use_sliding_window true`},
		{"llama-gqa", "sliding_window", `128`, `sliding_window 128`},
		{"llama-gqa", "rope_interleaved", `true`, `rope_interleaved true`},
		{"llama-gqa", "qk_norm", `true`, `qk_norm true`},
		{"llama-gqa", "num_local_experts", `8`, `num_local_experts 8`},
		{"llama-gqa", "quantization_config", `{"bits":4}`, `quantization_config`},
		{"llama-gqa", "alibi", `true`, `alibi true`},
		{"llama-gqa", "rotary_pct", `0.25`, `rotary_pct 0.25`},
		{"llama-gqa", "use_parallel_residual", `true`, `use_parallel_residual true`},
		{"llama-gqa", "attention_chunk_size", `8192`, `attention_chunk_size 8192`},
		{"llama-gqa", "scale_emb", `12`, `scale_emb 12`},
		{"llama-gqa", "model_type", `"gemma2"`, `model_type "gemma2", whose norms multiply by 1+w`},
		{"llama-gqa", "model_type", `"mixtral"`, `model_type "mixtral", which has experts`},
		{"llama-gqa", "model_type", `"phi"`, `model_type "phi", whose attention and MLP run side by side`},
		{"llama-gqa", "model_type", `"t5"`, `model_type "t5"; read are llama`},
		{"llama-gqa", "auto_map", `{"AutoModel":"x.Y"}`, `auto_map`},
		{"llama-gqa", "final_logit_softcapping", `30.0`, `final_logit_softcapping`},
		{"granitehybrid", "normalization_function", `"layernorm"`, `normalization_function "layernorm"`},
		{"granitehybrid", "mlp_bias", `true`, `mlp_bias true`},
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
		{"llama-gqa", "layer_types", `["full_attention"]`, "1 entries for 4 layers"},
		{"llama-gqa", "rope_parameters", `{"rope_type":"linear"}`, "rope_parameters: factor is missing"},
		{"llama-gqa", "rope_parameters", `{"rope_type":"linear","factor":-1}`, "rope_parameters: factor is -1"},
		{"llama-gqa", "rope_parameters", `{"rope_type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":4}`, "want it above low_freq_factor 4"},
		{"llama-gqa", "rope_parameters", `{"rope_type":"yarn","factor":8,"rope_theta":0.5}`, "yarn needs it above 1"},
		{"llama-gqa", "rope_parameters", `{"rope_type":"longrope","short_factor":[1],"long_factor":[1,1,1,0]}`, "want head_dim/2 = 4 numbers above 0"},
		{"granitehybrid", "residual_multiplier", "0", "residual_multiplier is 0"},
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
