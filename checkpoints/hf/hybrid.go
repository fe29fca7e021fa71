package hf

import "slices"

// MambaConfig holds the sizes of Mamba-2 layers. Their gated norm runs over all
// of E, as transformers computes it, unless NormPerGroup, which no key of
// transformers' says: the same config.json means one thing there and the other
// in vLLM. Ours says which was trained.
type MambaConfig struct {
	Heads   int // H
	HeadDim int // P; E = H·P
	Groups  int // G, of B and C
	State   int // N
	Conv    int // K
	Chunk   int // of the scan; changes rounding only

	NormPerGroup bool // our key, normKey
}

// normKey is beside the keys of transformers in what we write: full or grouped.
const normKey = "stillhouse_norm"

// Inner returns E.
func (m *MambaConfig) Inner() int { return m.Heads * m.HeadDim }

// ConvDim returns the channels of the convolution: x, B and C.
func (m *MambaConfig) ConvDim() int { return m.Inner() + 2*m.Groups*m.State }

// ProjDim returns the rows of in_proj: z, x, B, C and Δ.
func (m *MambaConfig) ProjDim() int { return m.Inner() + m.ConvDim() + m.Heads }

// granite reads a hybrid of attention and Mamba-2 without experts.
func (c *Config) granite(f *fields) {
	layers := c.common(f, "rms_norm_eps", 1e-6, "attention_bias", "embedding_multiplier", "residual_multiplier", "logits_scaling")
	c.EmbeddingMultiplier = multiplier(f.positive("embedding_multiplier", 1))
	c.ResidualMultiplier = multiplier(f.positive("residual_multiplier", 1))
	c.LogitsScaling = multiplier(f.positive("logits_scaling", 1))
	f.mustBe("normalization_function", "rmsnorm", "rmsnorm")
	c.Intermediate = f.size("shared_intermediate_size", f.count("intermediate_size", 0))
	if f.raw("num_local_experts") == nil {
		f.unsupported("num_local_experts is missing, which means 8")
	}
	key := "layer_types"
	if f.raw(key) == nil {
		key = "layers_block_type" // the same under its older name
	}
	words := f.words(key)
	if len(words) != layers {
		f.bad(key, "has %d entries for %d layers", len(words), layers)
	}
	for i, word := range words {
		switch word {
		case "attention", "full_attention":
			c.Mixers = append(c.Mixers, Attention)
		case "mamba", "linear_attention":
			c.Mixers = append(c.Mixers, Mamba2)
		default:
			f.unsupported("%s[%d] %q", key, i, word)
		}
	}
	// transformers takes 1, not 1/sqrt(P), where the key is missing.
	scale := f.positive("attention_multiplier", 1)
	if bias := f.flag("attention_bias", false); c.attends() {
		c.AttentionMultiplier = scale
		c.QKVBias, c.OutBias = bias, bias
		c.attention(f, 0, 0)
		switch kind := f.text("position_embedding_type", "nope"); kind {
		case "rope":
			c.rope(f)
		case "nope": // and null: the Mamba layers know the order
		default:
			f.unsupported("position_embedding_type %q", kind)
		}
	}
	if slices.Contains(c.Mixers, Mamba2) {
		c.Mamba = &MambaConfig{
			Heads: f.size("mamba_n_heads", 128), HeadDim: f.mambaHead(c.HiddenSize, "mamba_d_head", "mamba_expand", "mamba_n_heads", 128),
			Groups: f.size("mamba_n_groups", 1), State: f.size("mamba_d_state", 256), Conv: f.size("mamba_d_conv", 4),
			Chunk: f.size("mamba_chunk_size", 256), NormPerGroup: f.text(normKey, "full") == "grouped",
		}
		f.mustBe(normKey, "full", "full", "grouped")
		c.Mamba.check(f, c.HiddenSize, "mamba_n_heads", "mamba_n_groups", "mamba_expand")
	}
}

// multiplier keeps 1 as 0, which is what it is where there is none.
func multiplier(v float64) float64 {
	if v == 1 {
		return 0
	}
	return v
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
