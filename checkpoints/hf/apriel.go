package hf

import (
	"fmt"
	"slices"

	"stillhouse/checkpoints/safetensors"
)

// Mamba1Config holds the sizes of Apriel-H1's "m2" mixer: a Mamba-1 scan whose x
// and B are narrow and repeated to E in groups of N channels.
type Mamba1Config struct {
	Inner int // E
	XB    int // width of x and B before they are repeated
	State int // N
	Conv  int // K
	Rank  int // R
}

// apriel reads a hybrid of Mistral's layers and m2 mixers. The folder's own code
// (auto_map) is never run: what it does is done here.
func (c *Config) apriel(f *fields) {
	layers := c.common(f, "rms_norm_eps", 1e-6, "auto_map")
	c.Intermediate = f.size("intermediate_size", 0)
	layout := f.words("hybrid_block_layout")
	if len(layout) != layers {
		f.bad("hybrid_block_layout", "has %d entries for %d layers", len(layout), layers)
	}
	for i, letter := range layout {
		switch letter {
		case "t":
			c.Mixers = append(c.Mixers, Attention)
		case "m2":
			c.Mixers = append(c.Mixers, Mamba1)
		case "i":
			c.Mixers = append(c.Mixers, Identity)
		default: // m2d, swa, gdn, kl
			f.unsupported("hybrid_block_layout[%d] %q", i, letter)
		}
	}
	// layer_types, if there, are derived from the layout, for one runtime.
	if c.attends() {
		c.attention(f, 8, 0)
		c.rope(f)
		if window := f.count("sliding_window", 0); window > 0 {
			f.unsupported("sliding_window %d: not in this model type", window)
		}
	}
	if !slices.Contains(c.Mixers, Mamba1) {
		return
	}
	s := f.object("ssm_cfg")
	if s == nil {
		f.bad("ssm_cfg", "is missing, and hybrid_block_layout has m2")
		return
	}
	for _, n := range []struct {
		key  string
		want bool
	}{{"bias", false}, {"conv_bias", true}, {"dt_proj_bias", true}, {"repeat_kv_before_conv", true}} {
		if v := s.flag(n.key, n.want); v != n.want {
			f.unsupported("ssm_cfg.%s %v", n.key, v)
		}
	}
	expand := s.positive("expand", 1)
	m := &Mamba1Config{
		Inner: s.size("d_inner", max(1, int(min(expand*float64(c.HiddenSize), maxSize)))),
		XB:    s.size("d_xb", max(1, c.HiddenSize)), State: s.size("d_state", 64), Conv: s.size("d_conv", 4),
		Rank: (c.HiddenSize + 15) / 16,
	}
	if string(s.raw("dt_rank")) != `"auto"` {
		m.Rank = s.size("dt_rank", max(1, m.Rank))
	}
	c.Mamba1 = m
	if m.State > 0 && m.XB > 0 && (m.Inner%m.XB != 0 || m.XB%m.State != 0) {
		s.bad("d_inner", "is %d, want a multiple of d_xb %d, and that of d_state %d", m.Inner, m.XB, m.State)
	}
	for _, p := range s.problems {
		f.problems = append(f.problems, fmt.Errorf("ssm_cfg: %w", p))
	}
}

// rankOf takes Δ's rank from the weights: what was published of it (16) and
// what dt_rank auto comes to (320 for Apriel-H1) differ, and the file decides.
func (m *Mamba1Config) rankOf(c *Config, info func(name string) (safetensors.Info, bool)) {
	l := slices.Index(c.Mixers, Mamba1)
	if w, ok := info(fmt.Sprintf("model.layers.%d.mixer.dt_in_proj.weight", l)); ok && len(w.Shape) == 2 && w.Shape[0] > 0 {
		m.Rank = w.Shape[0]
	}
}

// encodeApriel writes the keys that the plain transformer does not have.
func (c *Config) encodeApriel(o map[string]any) {
	letters := map[Mixer]string{Attention: "t", Mamba1: "m2", Identity: "i"}
	layout := []string{}
	for _, m := range c.Mixers {
		layout = append(layout, letters[m])
	}
	o["hybrid_block_layout"], o["intermediate_size"], o["rms_norm_eps"] = layout, c.Intermediate, c.NormEps
	o["sliding_window"] = nil
	if c.Heads > 0 {
		c.encodeAttention(o)
	}
	if m := c.Mamba1; m != nil {
		o["ssm_cfg"] = map[string]any{
			"d_inner": m.Inner, "d_xb": m.XB, "d_state": m.State, "d_conv": m.Conv, "dt_rank": m.Rank, "expand": 1,
			"bias": false, "conv_bias": true, "dt_proj_bias": true, "repeat_kv_before_conv": true,
			"dt_min": 0.001, "dt_max": 0.1, "dt_init": "random", "dt_scale": 1.0, "dt_init_floor": 1e-4,
		}
	}
}

// apriel lists the weights of an Apriel-H1 hybrid; an identity layer has none.
func (n *namer) apriel() {
	c := n.c
	n.add(embedName, c.VocabSize, c.HiddenSize)
	for l, m := range c.Mixers {
		if m != Identity {
			n.layer(fmt.Sprintf("model.layers.%d.", l), m)
		}
	}
	n.add("model.norm.weight", c.HiddenSize)
	n.head()
}

// mamba1 lists the weights of one m2 mixer.
func (n *namer) mamba1(at string) {
	m, d := n.c.Mamba1, n.c.HiddenSize
	n.add(at+"in_proj.weight", 2*m.Inner+2*m.XB, d)
	n.add(at+"conv1d.weight", m.Inner, 1, m.Conv)
	n.add(at+"conv1d.bias", m.Inner)
	n.add(at+"dt_in_proj.weight", m.Rank, d)
	n.add(at+"dt_proj.weight", m.Inner, m.Rank)
	n.add(at+"dt_proj.bias", m.Inner)
	n.add(at+"A_log", m.Inner, m.State)
	n.add(at+"D", m.Inner)
	n.add(at+"out_proj.weight", d, m.Inner)
}
