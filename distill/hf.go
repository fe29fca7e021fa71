package distill

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stillhouse/layers"
)

// ErrUnsupported is wrapped by the refusal of a config.json that asks for what
// this version does not compute.
var ErrUnsupported = errors.New("not supported")

// hfConfig holds the keys of Hugging Face's config.json that decide what a model
// computes. A key that is not here must not change the logits.
type hfConfig struct {
	ModelType      string   `json:"model_type"`
	VocabSize      int      `json:"vocab_size"`
	HiddenSize     int      `json:"hidden_size"`
	Intermediate   int      `json:"intermediate_size"`
	SharedMLP      int      `json:"shared_intermediate_size"`
	Layers         int      `json:"num_hidden_layers"`
	Heads          int      `json:"num_attention_heads"`
	KVHeads        int      `json:"num_key_value_heads"`
	HeadDim        int      `json:"head_dim"`
	NormEps        float64  `json:"rms_norm_eps"`
	Activation     string   `json:"hidden_act"`
	RopeTheta      float64  `json:"rope_theta"`
	RopeScaling    *hfRope  `json:"rope_scaling"`
	RopeParameters *hfRope  `json:"rope_parameters"`
	Tied           bool     `json:"tie_word_embeddings"`
	MaxPositions   int      `json:"max_position_embeddings"`
	AttentionBias  bool     `json:"attention_bias"`
	MLPBias        bool     `json:"mlp_bias"`
	Window         *int     `json:"sliding_window"`
	BOS            *int     `json:"bos_token_id"`
	EOS            any      `json:"eos_token_id"`
	AttentionScale float64  `json:"attention_multiplier"`
	EmbeddingScale *float64 `json:"embedding_multiplier"`
	ResidualScale  *float64 `json:"residual_multiplier"`
	LogitsScale    *float64 `json:"logits_scaling"`
	PositionType   *string  `json:"position_embedding_type"`
	Experts        int      `json:"num_local_experts"`
	LayerTypes     []string `json:"layer_types"`
	MambaHeads     int      `json:"mamba_n_heads"`
	MambaHeadDim   int      `json:"mamba_d_head"`
	MambaGroups    int      `json:"mamba_n_groups"`
	MambaState     int      `json:"mamba_d_state"`
	MambaConv      int      `json:"mamba_d_conv"`
	MambaConvBias  *bool    `json:"mamba_conv_bias"`
	MambaProjBias  bool     `json:"mamba_proj_bias"`
	Mamba2Heads    int      `json:"num_heads"`
	Mamba2Groups   int      `json:"n_groups"`
	Mamba2State    int      `json:"state_size"`
	Mamba2Conv     int      `json:"conv_kernel"`
	Mamba2ConvBias *bool    `json:"use_conv_bias"`
	Mamba2Bias     bool     `json:"use_bias"`
	Mamba2NormEps  float64  `json:"layer_norm_epsilon"`
	TimeStepLimit  []any    `json:"time_step_limit"`
	PartialRotary  *float64 `json:"partial_rotary_factor"`
}

type hfRope struct {
	Type  string  `json:"rope_type"`
	Old   string  `json:"type"`
	Theta float64 `json:"rope_theta"`
}

// parseHF reads Hugging Face's config.json of a llama, a mistral, a dense
// granitemoehybrid or a mamba2. The function returned turns our weights' names
// into the file's. Features we do not compute are refused by name: the error
// wraps ErrUnsupported.
func parseHF(b []byte) (layers.Config, func(string) string, error) {
	var h hfConfig
	if err := json.Unmarshal(b, &h); err != nil {
		return layers.Config{}, nil, err
	}
	c := layers.Config{
		VocabSize: h.VocabSize, HiddenSize: h.HiddenSize, Intermediate: h.Intermediate, Heads: h.Heads, KVHeads: h.KVHeads,
		HeadDim: h.HeadDim, NormEps: h.NormEps, RopeTheta: h.RopeTheta, Tied: h.Tied, MaxPositions: h.MaxPositions, Scale: h.AttentionScale,
	}
	if h.BOS != nil {
		c.BOS = *h.BOS
	}
	if id, ok := h.EOS.(float64); ok {
		c.EOS = int(id)
	}
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.HeadDim == 0 && c.Heads > 0 {
		c.HeadDim = c.HiddenSize / c.Heads
	}
	var rename func(string) string
	switch h.ModelType {
	case "llama", "mistral":
		for range h.Layers {
			c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
		}
		if h.Window != nil {
			c.Window = *h.Window
		}
	case "granitemoehybrid":
		c.Intermediate = h.SharedMLP
		rename = strings.NewReplacer(".mlp.gate_up_proj.", ".shared_mlp.input_linear.", ".mlp.down_proj.", ".shared_mlp.output_linear.").Replace
		h.granite(&c)
	case "mamba2":
		h.mamba2(&c)
		rename = strings.NewReplacer("model.embed_tokens.", "backbone.embeddings.", "model.norm.", "backbone.norm_f.",
			"model.layers.", "backbone.layers.", ".input_layernorm.", ".norm.", ".mamba.", ".mixer.").Replace
	default:
		return c, nil, fmt.Errorf("model type %q is %w (hint: llama, mistral, dense granitemoehybrid and mamba2 are)", h.ModelType, ErrUnsupported)
	}
	if err := h.refuse(); err != nil {
		return c, nil, err
	}
	h.rope(&c)
	return c, rename, c.Check()
}

// granite fills in the mixers of a Granite-4-H-like hybrid.
func (h *hfConfig) granite(c *layers.Config) {
	for _, t := range h.LayerTypes {
		if t == "attention" || t == "full_attention" {
			c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
			continue
		}
		m := layers.Mamba2Config{Heads: h.MambaHeads, HeadDim: h.MambaHeadDim, Groups: h.MambaGroups, State: h.MambaState,
			Conv: h.MambaConv, Chunk: 64, NormEps: h.NormEps}
		c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindMamba2, Mamba2: &m})
	}
}

// mamba2 fills in a pure Mamba-2 model: no attention, no MLP.
func (h *hfConfig) mamba2(c *layers.Config) {
	c.NormEps, c.Intermediate = h.Mamba2NormEps, 0
	for range h.Layers {
		m := layers.Mamba2Config{Heads: h.Mamba2Heads, HeadDim: h.HeadDim, Groups: h.Mamba2Groups, State: h.Mamba2State,
			Conv: h.Mamba2Conv, Chunk: 64, NormEps: h.Mamba2NormEps}
		c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindMamba2, Mamba2: &m})
	}
}

// rope sets the rotary base from whichever spelling the file has.
func (h *hfConfig) rope(c *layers.Config) {
	if h.RopeParameters != nil && h.RopeParameters.Theta > 0 {
		c.RopeTheta = h.RopeParameters.Theta
	}
	if c.RopeTheta == 0 && h.ModelType != "mamba2" {
		c.RopeTheta = 10000 // Hugging Face's default
	}
	if h.ModelType == "granitemoehybrid" && (h.PositionType == nil || *h.PositionType != "rope") {
		c.RopeTheta = 0 // its default is no positions at all
	}
}

// refuse names the first feature that we do not compute.
func (h *hfConfig) refuse() error {
	scaling := "default"
	for _, r := range []*hfRope{h.RopeScaling, h.RopeParameters} {
		if r != nil && r.Type+r.Old != "" {
			scaling = r.Type
			if scaling == "" {
				scaling = r.Old
			}
		}
	}
	is := func(v *float64, want float64) bool { return v == nil || *v == want }
	for _, f := range []struct {
		bad  bool
		what string
	}{
		{scaling != "default", "rope_scaling " + scaling},
		{h.AttentionBias, "attention_bias"},
		{h.MLPBias, "mlp_bias"},
		{h.Experts > 0, fmt.Sprintf("num_local_experts %d (a mixture of experts)", h.Experts)},
		{h.Activation != "" && h.Activation != "silu", "hidden_act " + h.Activation},
		{!is(h.EmbeddingScale, 1), "embedding_multiplier other than 1"},
		{!is(h.ResidualScale, 1), "residual_multiplier other than 1"},
		{!is(h.LogitsScale, 1), "logits_scaling other than 1"},
		{!is(h.PartialRotary, 1), "partial_rotary_factor other than 1"},
		{h.MambaProjBias || h.Mamba2Bias, "a bias in Mamba's projections"},
		{h.MambaConvBias != nil && !*h.MambaConvBias || h.Mamba2ConvBias != nil && !*h.Mamba2ConvBias, "a convolution without bias"},
		{len(h.TimeStepLimit) == 2 && h.TimeStepLimit[0] != 0.0, "time_step_limit above 0"},
	} {
		if f.bad {
			return fmt.Errorf("%s is %w", f.what, ErrUnsupported)
		}
	}
	return nil
}
