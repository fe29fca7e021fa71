package hf

import (
	"encoding/json"
	"math"
	"slices"
)

// neutrals are the keys that change what a model computes and that Config does
// not carry, each with the values under which they change nothing. Null and a
// missing key are among them. The list is of what the model types here, and
// those derived from them, are known to have; what it does not know would show
// as weights left over.
var neutrals = []struct {
	key    string
	values []string
}{
	{"attention_bias", []string{"false"}},
	{"mlp_bias", []string{"false"}},
	{"use_bias", []string{"false"}},
	{"mamba_proj_bias", []string{"false"}},
	{"mamba_conv_bias", []string{"true"}},
	{"use_conv_bias", []string{"true"}},
	{"rms_norm", []string{"true"}},
	{"norm_before_gate", []string{"false", "true"}}, // mamba2 writes it and transformers does not read it
	{"partial_rotary_factor", []string{"1", "1.0"}},
	{"rope_interleaved", []string{"false"}},
	{"use_mrope", []string{"false"}},
	{"rotary_pct", []string{"1", "1.0"}},
	{"alibi", []string{"false"}},
	{"attention_chunk_size", nil},
	{"attn_temperature_tuning", []string{"false", "0"}},
	{"parallel_attn", []string{"false"}},
	{"parallel_residual", []string{"false"}},
	{"use_parallel_residual", []string{"false"}},
	{"clip_qkv", nil},
	{"embedding_multiplier", []string{"1", "1.0"}},
	{"residual_multiplier", []string{"1", "1.0"}},
	{"logits_scaling", []string{"1", "1.0"}},
	{"logit_scale", []string{"1", "1.0"}},
	{"scale_emb", []string{"1", "1.0"}},
	{"scale_depth", nil},
	{"attn_logit_softcapping", nil},
	{"final_logit_softcapping", nil},
	{"qk_norm", []string{"false"}},
	{"qk_layernorm", []string{"false"}},
	{"use_qk_norm", []string{"false"}},
	{"use_qkv_bias", []string{"false"}},
	{"use_sliding_window", []string{"false"}},
	{"no_rope_layers", []string{"[]"}},
	{"num_local_experts", []string{"0"}},
	{"num_experts", []string{"0"}},
	{"n_routed_experts", []string{"0"}},
	{"num_nextn_predict_layers", []string{"0"}},
	{"is_encoder_decoder", []string{"false"}},
	{"add_cross_attention", []string{"false"}},
	{"quantization_config", nil},
	{"compression_config", nil},
	{"auto_map", nil}, // the model is code of its own
}

// neutral refuses every key of neutrals that is not at rest, but for those that
// the model type reads itself.
func (f *fields) neutral(own []string) {
	for _, n := range neutrals {
		if slices.Contains(own, n.key) {
			continue
		}
		if raw := f.raw(n.key); raw != nil && !slices.Contains(n.values, string(raw)) {
			f.unsupported("%s %s", n.key, clip(raw))
		}
	}
	if raw := f.raw("time_step_limit"); raw != nil {
		var limit []number
		if err := json.Unmarshal(raw, &limit); err != nil || len(limit) != 2 {
			f.bad("time_step_limit", "is %s, want two numbers", clip(raw))
		} else if limit[0] > 0 || !math.IsInf(float64(limit[1]), 1) {
			f.unsupported("time_step_limit %v", limit)
		}
	}
}

// mustBe refuses a word that is not among those given.
func (f *fields) mustBe(key, missing string, words ...string) {
	if v := f.text(key, missing); !slices.Contains(words, v) {
		f.unsupported("%s %q", key, v)
	}
}
