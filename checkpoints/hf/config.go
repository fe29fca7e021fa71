package hf

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Mixer is what a layer mixes time with.
type Mixer string

// The mixers. Hugging Face spells Attention attention or full_attention, Mamba2
// mamba or linear_attention; Apriel's letters are t, m2 (Mamba1) and i (Identity,
// a layer that has nothing, no MLP either).
const (
	Attention Mixer = "attention"         // over all of the past
	Sliding   Mixer = "sliding_attention" // over Config.Window tokens
	Mamba2    Mixer = "mamba2"
	Mamba1    Mixer = "mamba1"
	Identity  Mixer = "identity"
)

// Config is what config.json says about a model. Letters are those of
// stillhouse/layers.
type Config struct {
	ModelType    string
	VocabSize    int     // V
	HiddenSize   int     // D
	Intermediate int     // I; 0: blocks have no MLP
	Mixers       []Mixer // one a layer
	NormEps      float64
	Tied         bool // the head is the embedding
	MaxPositions int  // 0: not said
	BOS          int  // -1: none
	EOS          []int

	// Of attention layers; zero when there are none.
	Heads       int          // H
	KVHeads     int          // G
	HeadDim     int          // P
	RopeTheta   float64      // 0: no rotary position
	RopeScaling *RopeScaling // nil: none
	Window      int          // of Sliding layers, in tokens
	// AttentionMultiplier is the factor of q·k; 0: 1/sqrt(P).
	AttentionMultiplier float64
	QKVBias, OutBias    bool // of the projections into and out of attention
	QKNorm              bool // RMSNorm of each query and key head, before positions

	MLPBias bool
	// Multipliers of granitemoehybrid; elsewhere 0, which means 1.
	EmbeddingMultiplier, ResidualMultiplier, LogitsScaling float64

	Mamba  *MambaConfig  // of Mamba-2 layers; nil when there are none
	Mamba1 *Mamba1Config // of Mamba-1 layers; likewise

	// DType is written and not read: the file says what its weights are. float32,
	// bfloat16 or float16; "": float32.
	DType string `json:"-"`

	// Stillhouse is our own object, of model_type stillhouse, for which nothing
	// else here but ModelType is set.
	Stillhouse json.RawMessage
}

// attends reports whether any layer is attention.
func (c *Config) attends() bool {
	return slices.Contains(c.Mixers, Attention) || slices.Contains(c.Mixers, Sliding)
}

// Layers returns L.
func (c *Config) Layers() int { return len(c.Mixers) }

// ParseConfig reads the bytes of a config.json. The error wraps ErrConfig or
// ErrUnsupported.
func ParseConfig(b []byte) (*Config, error) {
	f, err := newFields(b)
	if err != nil {
		return nil, fmt.Errorf("hf: %w: %w", ErrConfig, err)
	}
	c := &Config{ModelType: f.text("model_type", "")}
	switch c.ModelType {
	case "llama", "mistral", "qwen2", "qwen3":
		c.transformer(f)
	case "granitemoehybrid":
		c.granite(f)
	case "mamba2":
		c.mamba2(f)
	case "apriel_ssm_thinker_hybrid", "apriel_hybrid_ssm":
		c.apriel(f)
	case "stillhouse":
		c.Stillhouse = f.raw("stillhouse")
		if c.Stillhouse == nil || c.Stillhouse[0] != '{' {
			f.bad("stillhouse", "is no object")
		}
	case "":
		f.bad("model_type", "is missing")
	default:
		return nil, fmt.Errorf("hf: %w", unsupported(c.ModelType, "model_type %q%s; read are llama, mistral, qwen2, qwen3, granitemoehybrid, mamba2, apriel_ssm_thinker_hybrid, apriel_hybrid_ssm and stillhouse",
			c.ModelType, strangers[c.ModelType]))
	}
	return c, f.err(c.ModelType)
}

// strangers says of well-known model types that are not read what it would take.
var strangers = map[string]string{
	"bamba":        ", whose attention turns only half of each head (partial_rotary_factor 0.5, in some runtimes only)",
	"jamba":        ", whose Mamba-1 norms Δ, B and C (layer_norm inside the mixer) and which has experts",
	"falcon_mamba": ", whose Mamba-1 norms Δ, B and C (mixer_rms_eps) and projects them from x",
	"mamba":        ", whose Mamba-1 projects Δ, B and C from x (x_proj)",
	"granite":      ", whose four multipliers are read of granitemoehybrid alone",
	"granitemoe":   ", which has experts",
	"mixtral":      ", which has experts",
	"qwen2_moe":    ", which has experts",
	"qwen3_moe":    ", which has experts",
	"deepseek_v3":  ", which has experts and latent attention",
	"gpt_oss":      ", which has experts and attention sinks",
	"gemma":        ", whose norms multiply by 1+w and whose MLP is GELU",
	"gemma2":       ", whose norms multiply by 1+w, twice a block, and whose logits are capped",
	"gemma3_text":  ", whose norms multiply by 1+w, twice a block",
	"phi":          ", whose attention and MLP run side by side, with LayerNorm",
	"phi3":         ", whose projections lie in one matrix (qkv_proj, gate_up_proj)",
	"olmo2":        ", whose norms come after attention and MLP",
	"smollm3":      ", some of whose layers have no rotary positions",
	"falcon_h1":    ", which runs attention and Mamba-2 side by side in each block",
	"nemotron_h":   ", whose blocks are a mixer or an MLP alone",
	"zamba2":       ", which shares attention blocks between layers",
	"qwen3_next":   ", which has experts and gated delta networks",
}

// common reads what every model has; own are the keys of neutrals that the
// model type reads itself.
func (c *Config) common(f *fields, epsKey string, eps float64, own ...string) (layers int) {
	c.VocabSize = f.size("vocab_size", 0)
	c.HiddenSize = f.size("hidden_size", 0)
	c.NormEps = f.positive(epsKey, eps)
	c.Tied = f.flag("tie_word_embeddings", false)
	c.MaxPositions = f.count("max_position_embeddings", 0)
	c.BOS = f.id("bos_token_id")
	c.EOS = f.ids("eos_token_id")
	f.mustBe("hidden_act", "silu", "silu", "swish")
	f.neutral(own)
	if layers = f.size("num_hidden_layers", 0); layers > maxLayers {
		f.bad("num_hidden_layers", "is %d, the most is %d", layers, maxLayers)
		layers = 0
	}
	return layers
}
