package layers

import (
	"fmt"
	"math"
	"slices"
)

// Config says what a model is. The JSON names are Hugging Face's.
type Config struct {
	VocabSize    int     `json:"vocab_size"`               // V
	HiddenSize   int     `json:"hidden_size"`              // D
	Intermediate int     `json:"intermediate_size"`        // I; 0: blocks have no MLP
	Heads        int     `json:"num_attention_heads"`      // H
	KVHeads      int     `json:"num_key_value_heads"`      // G
	HeadDim      int     `json:"head_dim"`                 // P
	RopeTheta    float64 `json:"rope_theta"`               // 0: no rotary position
	NormEps      float64 `json:"rms_norm_eps"`             //
	Scale        float64 `json:"attention_multiplier"`     // of q·k; 0: 1/sqrt(P)
	Window       int     `json:"sliding_window,omitempty"` // 0: all of the past
	Tied         bool    `json:"tie_word_embeddings"`      // head = embedding
	MaxPositions int     `json:"max_position_embeddings"`  // the longest context
	BOS          int     `json:"bos_token_id"`             //
	EOS          int     `json:"eos_token_id"`             //
	Mixers       []Mixed `json:"mixers"`                   // one a layer

	// What some families have beside the above; the zero value is Llama.
	RopeScaling   *RopeScaling `json:"rope_scaling,omitempty"`
	QKVBias       bool         `json:"qkv_bias,omitempty"`
	OutBias       bool         `json:"o_bias,omitempty"` // of attention's output projection
	MLPBias       bool         `json:"mlp_bias,omitempty"`
	QKNorm        bool         `json:"qk_norm,omitempty"`              // RMSNorm of each query and key head
	EmbedScale    float64      `json:"embedding_multiplier,omitempty"` // 0: 1
	ResidualScale float64      `json:"residual_multiplier,omitempty"`  // of what a mixer or MLP adds; 0: 1
	LogitsDivisor float64      `json:"logits_scaling,omitempty"`       // 0: 1
}

// Kind is the kind of a layer's mixer.
type Kind string

// The mixers.
const (
	KindAttention Kind = "attention"
	KindMamba2    Kind = "mamba2"
	KindMamba1    Kind = "mamba1"
	KindIdentity  Kind = "identity" // no layer at all: neither mixer nor MLP
)

// Letter is the mixer's letter in a layer strip: A for attention, M for Mamba,
// I for no layer.
func (k Kind) Letter() string {
	switch k {
	case KindAttention:
		return "A"
	case KindIdentity:
		return "I"
	}
	return "M"
}

// Mamba reports whether the mixer is a Mamba.
func (k Kind) Mamba() bool { return k == KindMamba2 || k == KindMamba1 }

// Mixed is the mixer of one layer. An attention layer's sizes are the model's.
type Mixed struct {
	Kind   Kind          `json:"kind"`
	Mamba2 *Mamba2Config `json:"mamba2,omitempty"`
	Mamba1 *Mamba1Config `json:"mamba1,omitempty"`
	// Full lets an attention layer see all of the past in a model with a window.
	Full bool `json:"full_attention,omitempty"`
}

// Mamba2Config holds the sizes of a Mamba-2 mixer; its inner width is H·P.
type Mamba2Config struct {
	Heads       int     `json:"mamba_n_heads"`    // H
	HeadDim     int     `json:"mamba_d_head"`     // P
	Groups      int     `json:"mamba_n_groups"`   // G, of B and C
	State       int     `json:"mamba_d_state"`    // N
	Conv        int     `json:"mamba_d_conv"`     // K
	Chunk       int     `json:"mamba_chunk_size"` // of the scan; changes rounding only
	GroupedNorm bool    `json:"grouped_norm"`     // RMSNorm per group, as vLLM does; else over all of E
	NormEps     float64 `json:"norm_eps"`
}

// Inner returns E = H·P.
func (c Mamba2Config) Inner() int { return c.Heads * c.HeadDim }

// ConvDim returns the width of x|B|C, which the convolution runs over.
func (c Mamba2Config) ConvDim() int { return c.Inner() + 2*c.Groups*c.State }

// ProjDim returns the rows of in_proj: z|x|B|C|Δ.
func (c Mamba2Config) ProjDim() int { return c.Inner() + c.ConvDim() + c.Heads }

// Mamba1Config holds the sizes of Apriel-H1's "m2" mixer: a Mamba-1 scan with
// x and B shared between groups of heads as attention shares V and K.
type Mamba1Config struct {
	Inner       int `json:"d_inner"`      // E
	XB          int `json:"d_xb"`         // width of x and B before they are repeated to E
	State       int `json:"d_state"`      // N
	Conv        int `json:"d_conv"`       // K
	Rank        int `json:"dt_rank"`      // R
	RepeatGroup int `json:"repeat_group"` // consecutive channels repeated together: N as published, P to align heads
}

// Layers returns L.
func (c *Config) Layers() int { return len(c.Mixers) }

// QKVDim returns the rows of the stacked q, k and v projections.
func (c *Config) QKVDim() int { return (c.Heads + 2*c.KVHeads) * c.HeadDim }

// Strip draws the layers as letters, e.g. AAMMAM.
func (c *Config) Strip() string {
	s := ""
	for _, m := range c.Mixers {
		s += m.Kind.Letter()
	}
	return s
}

// window returns how far attention layer l sees; 0: all of the past.
func (c *Config) window(l int) int {
	if c.Mixers[l].Full {
		return 0
	}
	return c.Window
}

// Clone returns a deep copy.
func (c *Config) Clone() Config {
	d := *c
	if c.RopeScaling != nil {
		r := *c.RopeScaling
		r.ShortFactors, r.LongFactors = slices.Clone(r.ShortFactors), slices.Clone(r.LongFactors)
		d.RopeScaling = &r
	}
	d.Mixers = make([]Mixed, len(c.Mixers))
	for i, m := range c.Mixers {
		d.Mixers[i] = m
		if m.Mamba2 != nil {
			v := *m.Mamba2
			d.Mixers[i].Mamba2 = &v
		}
		if m.Mamba1 != nil {
			v := *m.Mamba1
			d.Mixers[i].Mamba1 = &v
		}
	}
	return d
}

// Check returns an error that names the first size that cannot be.
func (c *Config) Check() error {
	for _, f := range []struct {
		name  string
		value int
	}{{"vocab_size", c.VocabSize}, {"hidden_size", c.HiddenSize}, {"layers", len(c.Mixers)}} {
		if f.value <= 0 {
			return fmt.Errorf("%s is %d, want at least 1", f.name, f.value)
		}
	}
	if c.Intermediate < 0 {
		return fmt.Errorf("intermediate_size is %d, want at least 0", c.Intermediate)
	}
	for _, f := range []struct {
		name  string
		value float64
	}{{"embedding_multiplier", c.EmbedScale}, {"residual_multiplier", c.ResidualScale}, {"logits_scaling", c.LogitsDivisor}} {
		if !(f.value >= 0) || math.IsInf(f.value, 0) {
			return fmt.Errorf("%s is %v, want a finite number above 0, or 0 for 1", f.name, f.value)
		}
	}
	if c.RopeScaling != nil {
		if err := c.RopeScaling.check(c.RopeTheta, c.HeadDim, c.MaxPositions); err != nil {
			return err
		}
	}
	for l, m := range c.Mixers {
		if err := c.checkMixer(m); err != nil {
			return fmt.Errorf("layer %d: %w", l, err)
		}
	}
	return nil
}

func (c *Config) checkMixer(m Mixed) error {
	switch m.Kind {
	case KindAttention:
		switch {
		case c.Heads <= 0 || c.KVHeads <= 0 || c.Heads%c.KVHeads != 0:
			return fmt.Errorf("num_attention_heads %d must be a positive multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
		case c.HeadDim <= 0 || c.HeadDim%2 != 0:
			return fmt.Errorf("head_dim is %d, want a positive even number (rotary pairs)", c.HeadDim)
		}
	case KindMamba2:
		b := m.Mamba2
		switch {
		case b == nil:
			return fmt.Errorf("mamba2 without its sizes")
		case b.Heads <= 0 || b.Groups <= 0 || b.Heads%b.Groups != 0:
			return fmt.Errorf("mamba_n_heads %d must be a positive multiple of mamba_n_groups %d", b.Heads, b.Groups)
		case b.HeadDim <= 0 || b.State <= 0 || b.Conv <= 0:
			return fmt.Errorf("mamba_d_head %d, mamba_d_state %d and mamba_d_conv %d must be positive", b.HeadDim, b.State, b.Conv)
		}
	case KindMamba1:
		b := m.Mamba1
		switch {
		case b == nil:
			return fmt.Errorf("mamba1 without its sizes")
		case b.State <= 0 || b.Inner%b.State != 0 || b.XB <= 0 || b.Inner%b.XB != 0 || b.RepeatGroup <= 0 || b.XB%b.RepeatGroup != 0:
			return fmt.Errorf("d_inner %d must be a multiple of d_state %d and of d_xb %d, and d_xb of the repeat group %d", b.Inner, b.State, b.XB, b.RepeatGroup)
		}
	case KindIdentity:
	default:
		return fmt.Errorf("unknown mixer %q", m.Kind)
	}
	return nil
}

// scale returns the factor of q·k.
func (c *Config) scale() float64 {
	if c.Scale != 0 {
		return c.Scale
	}
	return 1 / math.Sqrt(float64(c.HeadDim))
}

// one returns the factor s, whose zero value means 1.
func one(s float64) float64 {
	if s == 0 {
		return 1
	}
	return s
}
