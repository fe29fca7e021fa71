package hf

import "slices"

// transformer reads llama, mistral, qwen2 and qwen3.
func (c *Config) transformer(f *fields) {
	own := map[string][]string{ // mistral has biases nowhere, qwen2 where it always has
		"llama": {"attention_bias", "mlp_bias"}, "qwen2": {"use_sliding_window"}, "qwen3": {"attention_bias", "use_sliding_window"},
	}[c.ModelType]
	layers := c.common(f, "rms_norm_eps", 1e-6, own...)
	c.Intermediate = f.size("intermediate_size", 0)
	if slices.Contains(own, "attention_bias") {
		c.QKVBias = f.flag("attention_bias", false)
		c.OutBias = c.QKVBias
	}
	kv, head := 0, 0 // what a missing key means: as many as heads; hidden_size over heads
	switch c.ModelType {
	case "llama":
		c.MLPBias = f.flag("mlp_bias", false)
	case "mistral":
		kv = 8
	case "qwen2":
		kv, c.QKVBias = 32, true
	case "qwen3":
		kv, head, c.QKNorm = 32, 128, true
	}
	c.attention(f, kv, head)
	c.rope(f)
	c.windows(f, layers)
}

// windows reads which layers see a window only.
func (c *Config) windows(f *fields, layers int) {
	words := f.words("layer_types")
	if words != nil && len(words) != layers {
		f.bad("layer_types", "has %d entries for %d layers", len(words), layers)
	}
	c.Mixers = slices.Repeat([]Mixer{Attention}, layers)
	window := 0
	switch c.ModelType {
	case "llama":
		if w := f.count("sliding_window", 0); w != 0 {
			f.unsupported("sliding_window %d: not in this model type", w)
		}
	case "mistral": // all layers or none; 4096 is MistralConfig's default, null is none
		if window = f.count("sliding_window", 4096); window > 0 {
			c.Mixers = slices.Repeat([]Mixer{Sliding}, layers)
		}
	default:
		if !f.flag("use_sliding_window", false) {
			break
		}
		window = f.count("sliding_window", 4096)
		for i := f.count("max_window_layers", 28); window > 0 && i < layers; i++ {
			c.Mixers[i] = Sliding
		}
	}
	for i, word := range words {
		var m Mixer
		switch word {
		case "full_attention", "attention":
			m = Attention
		case "sliding_attention":
			m = Sliding
		}
		// Only Qwen goes by layer_types; to the others they may say no more than
		// what holds anyway.
		qwen := c.ModelType == "qwen2" || c.ModelType == "qwen3"
		if m == "" || m == Sliding && window == 0 || !qwen && i < len(c.Mixers) && m != c.Mixers[i] {
			f.unsupported("layer_types[%d] %q", i, word)
		} else if i < len(c.Mixers) {
			c.Mixers[i] = m
		}
	}
	if slices.Contains(c.Mixers, Sliding) {
		c.Window = window
	}
}

// attention reads the sizes of attention layers; kv and head are the defaults of
// the key/value heads and their width, 0: as many as heads, hidden_size over heads.
func (c *Config) attention(f *fields, kv, head int) {
	c.Heads = f.size("num_attention_heads", 0)
	if kv == 0 || f.null("num_key_value_heads") {
		kv = c.Heads
	}
	c.KVHeads = f.size("num_key_value_heads", kv)
	if c.Heads > 0 && c.KVHeads > 0 && c.Heads%c.KVHeads != 0 {
		f.bad("num_attention_heads", "is %d, no multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	}
	if (head == 0 || f.null("head_dim")) && c.Heads > 0 {
		head = 0
		if c.HiddenSize%c.Heads == 0 {
			head = c.HiddenSize / c.Heads
		}
	}
	c.HeadDim = f.size("head_dim", head)
}
