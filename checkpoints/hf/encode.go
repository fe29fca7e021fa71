package hf

import (
	"encoding/json"
	"fmt"
	"math"
)

// architectures are the classes of transformers by model type.
var architectures = map[string]string{
	"llama":            "LlamaForCausalLM",
	"mistral":          "MistralForCausalLM",
	"qwen2":            "Qwen2ForCausalLM",
	"qwen3":            "Qwen3ForCausalLM",
	"granitemoehybrid": "GraniteMoeHybridForCausalLM",
	"mamba2":           "Mamba2ForCausalLM",

	"apriel_ssm_thinker_hybrid": "AprielThinkerSSMHybridForCausalLM",
	"apriel_hybrid_ssm":         "AprielHybridSSMForCausalLM",
}

// Encode returns the config.json of c, every key written out, which ParseConfig
// reads as c again. The error says what the model type has no place for.
func (c *Config) Encode() ([]byte, error) {
	if c.ModelType == "stillhouse" {
		return StillhouseConfig(c.Stillhouse)
	}
	want := *c
	if c = &want; c.ModelType == "granitemoehybrid" && c.Heads > 0 && c.AttentionMultiplier == 0 {
		c.AttentionMultiplier = 1 / math.Sqrt(float64(c.HeadDim)) // a missing key would mean 1
	}
	arch := architectures[c.ModelType]
	if arch == "" {
		return nil, fmt.Errorf("hf: encode: %w", unsupported(c.ModelType, "model_type %q", c.ModelType))
	}
	dtype := c.DType
	if dtype == "" {
		dtype = "float32"
	}
	o := map[string]any{
		"architectures": []string{arch}, "model_type": c.ModelType, "dtype": dtype, "torch_dtype": dtype,
		"vocab_size": c.VocabSize, "hidden_size": c.HiddenSize, "num_hidden_layers": c.Layers(), "hidden_act": "silu",
		"tie_word_embeddings": c.Tied, "use_cache": true, "bos_token_id": nil, "eos_token_id": nil,
	}
	if c.MaxPositions > 0 {
		o["max_position_embeddings"] = c.MaxPositions
	}
	if c.BOS >= 0 {
		o["bos_token_id"] = c.BOS
	}
	switch len(c.EOS) {
	case 0:
	case 1:
		o["eos_token_id"] = c.EOS[0]
	default:
		o["eos_token_id"] = c.EOS
	}
	switch c.ModelType {
	case "mamba2":
		c.encodeMamba2(o)
	case "granitemoehybrid":
		c.encodeGranite(o)
	case "apriel_ssm_thinker_hybrid", "apriel_hybrid_ssm":
		c.encodeApriel(o)
	default:
		c.encodeTransformer(o)
	}
	b, err := json.MarshalIndent(o, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("hf: encode config.json: %w", err)
	}
	again, err := ParseConfig(b)
	if err != nil {
		return nil, fmt.Errorf("hf: encode: %w", err)
	}
	if !sameConfig(again, c) {
		return nil, fmt.Errorf("hf: encode: %w", unsupported(c.ModelType, "%+v, which would be read back as %+v", *c, *again))
	}
	return append(b, '\n'), nil
}

// sameConfig compares what JSON shows of both, so that pointers are followed
// and a nil list equals an empty one of no entries.
func sameConfig(a, b *Config) bool {
	x, err1 := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && string(x) == string(y)
}

func (c *Config) encodeTransformer(o map[string]any) {
	c.encodeAttention(o)
	o["rms_norm_eps"], o["intermediate_size"] = c.NormEps, c.Intermediate
	switch c.ModelType {
	case "llama":
		o["mlp_bias"] = c.MLPBias
		return
	case "qwen2", "qwen3":
		words := []string{}
		for _, m := range c.Mixers {
			words = append(words, map[Mixer]string{Attention: "full_attention", Sliding: "sliding_attention"}[m])
		}
		o["layer_types"], o["use_sliding_window"] = words, c.Window > 0
		o["max_window_layers"] = c.Layers() // layer_types decides
	}
	o["sliding_window"] = nil
	if c.Window > 0 {
		o["sliding_window"] = c.Window
	}
}

func (c *Config) encodeAttention(o map[string]any) {
	o["num_attention_heads"], o["num_key_value_heads"], o["head_dim"] = c.Heads, c.KVHeads, c.HeadDim
	o["attention_dropout"] = 0.0
	if c.ModelType != "qwen2" { // which always has its own
		o["attention_bias"] = c.QKVBias
	}
	if c.RopeTheta > 0 {
		c.encodeRope(o)
	}
}

func (c *Config) encodeGranite(o map[string]any) {
	o["rms_norm_eps"] = c.NormEps
	o["intermediate_size"], o["shared_intermediate_size"] = c.Intermediate, c.Intermediate
	o["num_local_experts"], o["num_experts_per_tok"] = 0, 0
	for key, v := range map[string]float64{
		"embedding_multiplier": c.EmbeddingMultiplier, "residual_multiplier": c.ResidualMultiplier, "logits_scaling": c.LogitsScaling,
	} {
		if v == 0 {
			v = 1
		}
		o[key] = v
	}
	var words []string
	for _, m := range c.Mixers {
		words = append(words, map[Mixer]string{Attention: "attention", Mamba2: "mamba"}[m])
	}
	o["layer_types"] = words
	o["position_embedding_type"] = nil
	if c.Heads > 0 {
		c.encodeAttention(o)
		if c.RopeTheta > 0 {
			o["position_embedding_type"] = "rope"
		}
		o["attention_multiplier"] = c.AttentionMultiplier
	}
	if m := c.Mamba; m != nil {
		o["mamba_n_heads"], o["mamba_d_head"], o["mamba_n_groups"], o["mamba_d_state"] = m.Heads, m.HeadDim, m.Groups, m.State
		o["mamba_d_conv"], o["mamba_chunk_size"], o["mamba_expand"] = m.Conv, m.Chunk, expand(m, c.HiddenSize)
		o["mamba_conv_bias"], o["mamba_proj_bias"] = true, false
		if o[normKey] = "full"; m.NormPerGroup {
			o[normKey] = "grouped"
		}
	}
}

func (c *Config) encodeMamba2(o map[string]any) {
	m := c.Mamba
	if m == nil {
		m = &MambaConfig{}
	}
	o["num_heads"], o["head_dim"], o["n_groups"], o["state_size"] = m.Heads, m.HeadDim, m.Groups, m.State
	o["conv_kernel"], o["chunk_size"], o["expand"] = m.Conv, m.Chunk, expand(m, c.HiddenSize)
	o["use_bias"], o["use_conv_bias"], o["layer_norm_epsilon"] = false, true, c.NormEps
}

// expand returns E/D: whole where it can be, as the configuration classes want.
func expand(m *MambaConfig, hidden int) any {
	if hidden > 0 && m.Inner()%hidden == 0 {
		return m.Inner() / hidden
	}
	return float64(m.Inner()) / float64(max(1, hidden))
}
