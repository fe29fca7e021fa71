package hf

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Mixer is what a layer mixes time with.
type Mixer string

// The mixers. Hugging Face spells them attention or full_attention, and mamba
// or linear_attention.
const (
	Attention Mixer = "attention"
	Mamba2    Mixer = "mamba2"
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
	Heads     int     // H
	KVHeads   int     // G
	HeadDim   int     // P
	RopeTheta float64 // 0: no rotary position
	Window    int     // 0: all of the past
	// AttentionMultiplier is the factor of q·k; 0: 1/sqrt(P).
	AttentionMultiplier float64

	Mamba *MambaConfig // of Mamba-2 layers; nil when there are none

	// Stillhouse is our own object, of model_type stillhouse, for which nothing
	// else here but ModelType is set.
	Stillhouse json.RawMessage
}

// MambaConfig holds the sizes of Mamba-2 layers. Their gated norm runs over all
// of E, as transformers computes it.
type MambaConfig struct {
	Heads   int // H
	HeadDim int // P; E = H·P
	Groups  int // G, of B and C
	State   int // N
	Conv    int // K
	Chunk   int // of the scan; changes rounding only
}

// Inner returns E.
func (m *MambaConfig) Inner() int { return m.Heads * m.HeadDim }

// ConvDim returns the channels of the convolution: x, B and C.
func (m *MambaConfig) ConvDim() int { return m.Inner() + 2*m.Groups*m.State }

// ProjDim returns the rows of in_proj: z, x, B, C and Δ.
func (m *MambaConfig) ProjDim() int { return m.Inner() + m.ConvDim() + m.Heads }

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
	case "llama", "mistral":
		c.transformer(f)
	case "granitemoehybrid":
		c.granite(f)
	case "mamba2":
		c.mamba2(f)
	case "stillhouse":
		c.Stillhouse = f.raw("stillhouse")
		if c.Stillhouse == nil || c.Stillhouse[0] != '{' {
			f.bad("stillhouse", "is no object")
		}
	case "":
		f.bad("model_type", "is missing")
	default:
		return nil, fmt.Errorf("hf: %w", unsupported(c.ModelType, "model_type %q; read are llama, mistral, granitemoehybrid, mamba2 and stillhouse", c.ModelType))
	}
	return c, f.err(c.ModelType)
}

// common reads what every model has.
func (c *Config) common(f *fields, epsKey string, eps float64) (layers int) {
	c.VocabSize = f.size("vocab_size", 0)
	c.HiddenSize = f.size("hidden_size", 0)
	c.NormEps = f.positive(epsKey, eps)
	c.Tied = f.flag("tie_word_embeddings", false)
	c.MaxPositions = f.count("max_position_embeddings", 0)
	c.BOS = f.id("bos_token_id")
	c.EOS = f.ids("eos_token_id")
	f.mustBe("hidden_act", "silu", "silu", "swish")
	f.neutral()
	if layers = f.size("num_hidden_layers", 0); layers > maxLayers {
		f.bad("num_hidden_layers", "is %d, the most is %d", layers, maxLayers)
		layers = 0
	}
	return layers
}

// transformer reads llama and mistral.
func (c *Config) transformer(f *fields) {
	layers := c.common(f, "rms_norm_eps", 1e-6)
	c.Intermediate = f.size("intermediate_size", 0)
	c.Mixers = slices.Repeat([]Mixer{Attention}, layers)
	for i, word := range f.words("layer_types") {
		if word != "full_attention" && word != "attention" {
			f.unsupported("layer_types[%d] %q", i, word)
		}
	}
	kv := 0 // as many as heads
	window := 0
	if c.ModelType == "mistral" { // the defaults of MistralConfig; null is none
		kv, window = 8, 4096
	}
	c.attention(f, kv)
	c.rope(f)
	c.Window = f.count("sliding_window", window)
	if c.ModelType == "llama" && c.Window != 0 {
		f.unsupported("sliding_window %d: not in this model type", c.Window)
	}
}

// attention reads the sizes of attention layers; kv is the default of the
// key/value heads, 0: as many as heads.
func (c *Config) attention(f *fields, kv int) {
	c.Heads = f.size("num_attention_heads", 0)
	if kv == 0 {
		kv = c.Heads
	}
	c.KVHeads = f.size("num_key_value_heads", kv)
	if c.Heads > 0 && c.KVHeads > 0 && c.Heads%c.KVHeads != 0 {
		f.bad("num_attention_heads", "is %d, no multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	}
	head := 0
	if c.Heads > 0 && c.HiddenSize%c.Heads == 0 {
		head = c.HiddenSize / c.Heads
	}
	c.HeadDim = f.size("head_dim", head)
}

// rope reads the base of the rotary positions in its old and its new spelling,
// and refuses whatever bends them.
func (c *Config) rope(f *fields) {
	c.RopeTheta = f.positive("rope_theta", 10000)
	for _, key := range []string{"rope_parameters", "rope_scaling"} {
		r := f.object(key)
		if r == nil {
			continue
		}
		c.RopeTheta = r.positive("rope_theta", c.RopeTheta)
		kind := r.text("rope_type", r.text("type", "default"))
		if kind != "default" {
			f.unsupported("%s of type %q", key, kind)
		}
		if part := r.positive("partial_rotary_factor", 1); part != 1 {
			f.unsupported("%s.partial_rotary_factor %v", key, part)
		}
		for _, k := range slices.Sorted(maps.Keys(r.values)) { // among them one set of parameters a layer type
			if kind == "default" && !slices.Contains([]string{"rope_theta", "rope_type", "type", "partial_rotary_factor"}, k) {
				f.unsupported("%s.%s %s", key, k, clip(r.values[k]))
			}
		}
		f.problems = append(f.problems, r.problems...)
	}
	if c.HeadDim%2 != 0 {
		f.bad("head_dim", "is %d, rotary positions need an even one", c.HeadDim)
	}
}

// granite reads a hybrid of attention and Mamba-2 without experts.
func (c *Config) granite(f *fields) {
	layers := c.common(f, "rms_norm_eps", 1e-6)
	c.Intermediate = f.size("shared_intermediate_size", f.count("intermediate_size", 0))
	if f.raw("num_local_experts") == nil {
		f.unsupported("num_local_experts is missing, which means 8")
	}
	words := f.words("layer_types")
	if len(words) != layers {
		f.bad("layer_types", "has %d entries for %d layers", len(words), layers)
	}
	attention, mamba := false, false
	for i, word := range words {
		switch word {
		case "attention", "full_attention":
			c.Mixers, attention = append(c.Mixers, Attention), true
		case "mamba", "linear_attention":
			c.Mixers, mamba = append(c.Mixers, Mamba2), true
		default:
			f.unsupported("layer_types[%d] %q", i, word)
		}
	}
	// transformers takes 1, not 1/sqrt(P), where the key is missing.
	multiplier := f.positive("attention_multiplier", 1)
	if attention {
		c.AttentionMultiplier = multiplier
		c.attention(f, 0)
		switch kind := f.text("position_embedding_type", "nope"); kind {
		case "rope":
			c.rope(f)
		case "nope": // and null: the Mamba layers know the order
		default:
			f.unsupported("position_embedding_type %q", kind)
		}
	}
	if mamba {
		c.Mamba = &MambaConfig{
			Heads: f.size("mamba_n_heads", 128), HeadDim: f.mambaHead(c.HiddenSize, "mamba_d_head", "mamba_expand", "mamba_n_heads", 128),
			Groups: f.size("mamba_n_groups", 1), State: f.size("mamba_d_state", 256), Conv: f.size("mamba_d_conv", 4),
			Chunk: f.size("mamba_chunk_size", 256),
		}
		c.Mamba.check(f, c.HiddenSize, "mamba_n_heads", "mamba_n_groups", "mamba_expand")
	}
}

// mamba2 reads a pure Mamba-2 model: no MLP, no attention.
func (c *Config) mamba2(f *fields) {
	layers := c.common(f, "layer_norm_epsilon", 1e-5)
	c.Mixers = slices.Repeat([]Mixer{Mamba2}, layers)
	c.Mamba = &MambaConfig{
		Heads: f.size("num_heads", 128), HeadDim: f.size("head_dim", 64),
		Groups: f.size("n_groups", 8), State: f.size("state_size", 128), Conv: f.size("conv_kernel", 4),
		Chunk: f.size("chunk_size", 256),
	}
	c.Mamba.check(f, c.HiddenSize, "num_heads", "n_groups", "expand")
}

// check holds the sizes against one another, as transformers does.
func (m *MambaConfig) check(f *fields, hidden int, heads, groups, expandKey string) {
	if m.Groups > 0 && m.Heads%m.Groups != 0 {
		f.bad(heads, "is %d, no multiple of %s %d", m.Heads, groups, m.Groups)
	}
	if expand := f.positive(expandKey, 2); float64(m.Inner()) != expand*float64(hidden) {
		f.bad(heads, "is %d and the head width %d: their product is not %s %v times hidden_size %d", m.Heads, m.HeadDim, expandKey, expand, hidden)
	}
}
