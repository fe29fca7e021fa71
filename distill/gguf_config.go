package distill

import (
	"fmt"
	"math"
	"slices"

	"stillhouse/checkpoints/gguf"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// The architectures of llama.cpp that can be read.
const (
	ggufLlama   = "llama"
	ggufGranite = "granitehybrid"
)

// ggufMaxLayers is llama.cpp's own limit (LLAMA_MAX_LAYERS).
const ggufMaxLayers = 512

// ggufConfig turns a file's metadata, and the shapes that only its tensors say,
// into a model's sizes.
func ggufConfig(f *gguf.File) (c layers.Config, err error) {
	k := newGGUFKeys(f)
	arch := ggufValue(k, "general.architecture", "")
	if arch != ggufLlama && arch != ggufGranite {
		return c, fmt.Errorf("general.architecture is %q, can be read are %s and %s", arch, ggufLlama, ggufGranite)
	}
	k.neutral("split.count", 0, 1) // parts: gguf-split --merge puts them together
	key := func(name string) string { return arch + "." + name }
	blocks := k.size(key("block_count"))
	if blocks > ggufMaxLayers {
		return c, fmt.Errorf("%s is %d, llama.cpp has at most %d layers", key("block_count"), blocks, ggufMaxLayers)
	}
	embed, ok := f.Info("token_embd.weight")
	if !ok || len(embed.Shape) != 2 {
		return c, fmt.Errorf("token_embd.weight is %v, want a matrix", embed.Shape)
	}
	c = layers.Config{
		VocabSize:    embed.Shape[0],
		HiddenSize:   k.size(key("embedding_length")),
		MaxPositions: k.size(key("context_length")),
		NormEps:      k.number(key("attention.layer_norm_rms_epsilon"), 0),
		Tied:         !ggufHas(f, "output.weight"),
		BOS:          k.sizeOr("tokenizer.ggml.bos_token_id", 0),
		EOS:          k.sizeOr("tokenizer.ggml.eos_token_id", 0),
		Intermediate: k.same(key("feed_forward_length"), k.perLayer(key("feed_forward_length"), blocks, 0)),
		Heads:        k.same(key("attention.head_count"), k.perLayer(key("attention.head_count"), blocks, 0)),
	}
	if n := k.sizeOr(key("vocab_size"), c.VocabSize); n != c.VocabSize {
		k.bad(key("vocab_size"), "is %d, token_embd.weight has %d rows", n, c.VocabSize)
	}
	if tokens := ggufValue[[]string](k, "tokenizer.ggml.tokens", nil); tokens != nil && len(tokens) != c.VocabSize {
		k.bad("tokenizer.ggml.tokens", "has %d tokens, token_embd.weight has %d rows", len(tokens), c.VocabSize)
	}
	ggufMixers(k, key, &c, arch == ggufGranite, blocks)
	ggufBiases(f, &c)
	if err := ggufRope(f, k, key, &c, arch == ggufGranite); err != nil {
		return c, err
	}
	if arch == ggufGranite {
		c.Scale = k.number(key("attention.scale"), 0)
		c.EmbedScale = k.number(key("embedding_scale"), 0)
		c.ResidualScale = k.number(key("residual_scale"), 0)
		c.LogitsDivisor = k.number(key("logit_scale"), 0)
		k.sizeOr(key("expert_shared_feed_forward_length"), 0) // written for dense models too, and not used by them
	}
	k.neutral(key("attention.causal"), true)
	k.neutral(key("expert_count"), 0)
	k.neutral(key("expert_used_count"), 0)
	k.unread(arch + ".")
	if c.HiddenSize != embed.Shape[1] {
		k.bad(key("embedding_length"), "is %d, token_embd.weight has rows of %d", c.HiddenSize, embed.Shape[1])
	}
	if need, have := ggufWeights(&c), ggufElements(f); need > have {
		k.bad(arch+".*", "speak of at least %g weights, the file has %g", need, have)
	}
	if err := k.err(); err != nil {
		return c, err
	}
	return c, c.Check()
}

// ggufWeights counts what would take memory if it were believed: a model's
// matrices and convolutions.
func ggufWeights(c *layers.Config) float64 {
	d := float64(c.HiddenSize)
	n := float64(c.VocabSize) * d
	for _, m := range c.Mixers {
		n += 3 * d * float64(c.Intermediate)
		if b := m.Mamba2; b != nil {
			n += d*float64(b.ProjDim()+b.Inner()) + float64(b.ConvDim())*float64(b.Conv)
			continue
		}
		n += 2 * d * float64(c.Heads+c.KVHeads) * float64(c.HeadDim)
	}
	return n
}

func ggufElements(f *gguf.File) (n float64) {
	for _, info := range f.Infos() {
		size := 1.0
		for _, d := range info.Shape {
			size *= float64(d)
		}
		n += size
	}
	return n
}

func ggufHas(f *gguf.File, name string) bool {
	_, ok := f.Info(name)
	return ok
}

// ggufMixers reads the layers: no key/value heads make a layer of granitehybrid
// Mamba-2, whose sizes are one for all.
func ggufMixers(k *ggufKeys, key func(string) string, c *layers.Config, hybrid bool, blocks int) {
	kv := k.perLayer(key("attention.head_count_kv"), blocks, c.Heads)
	attention := slices.DeleteFunc(slices.Clone(kv), func(n int) bool { return n == 0 })
	c.KVHeads = k.same(key("attention.head_count_kv"), attention)
	if c.Heads > 0 {
		c.HeadDim = k.sizeOr(key("attention.key_length"), c.HiddenSize/c.Heads)
		if v := k.sizeOr(key("attention.value_length"), c.HiddenSize/c.Heads); v != c.HeadDim {
			k.bad(key("attention.value_length"), "is %d, the keys have %d", v, c.HeadDim)
		}
	}
	var m layers.Mamba2Config
	if hybrid {
		m = ggufMamba(k, key, c)
	} else if len(attention) < blocks {
		k.bad(key("attention.head_count_kv"), "is %v: this architecture has attention alone", kv)
	}
	for _, n := range kv {
		if n > 0 {
			c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
			continue
		}
		own := m
		c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindMamba2, Mamba2: &own})
	}
}

// ggufMamba reads the sizes of Mamba-2 layers and refuses those at which
// llama.cpp stops.
func ggufMamba(k *ggufKeys, key func(string) string, c *layers.Config) layers.Mamba2Config {
	inner, heads, groups := k.size(key("ssm.inner_size")), k.size(key("ssm.time_step_rank")), k.size(key("ssm.group_count"))
	m := layers.Mamba2Config{
		Heads: heads, Groups: groups, State: k.size(key("ssm.state_size")), Conv: k.size(key("ssm.conv_kernel")),
		Chunk: 64, GroupedNorm: groups > 1, NormEps: c.NormEps,
	}
	switch {
	case heads == 0 || inner%heads != 0:
		k.bad(key("ssm.inner_size"), "is %d, no multiple of ssm.time_step_rank %d, the heads", inner, heads)
	case groups == 0 || heads%groups != 0:
		k.bad(key("ssm.time_step_rank"), "is %d, no multiple of ssm.group_count %d", heads, groups)
	case inner != 2*c.HiddenSize:
		k.bad(key("ssm.inner_size"), "is %d, llama.cpp takes only twice embedding_length %d", inner, c.HiddenSize)
	default:
		m.HeadDim = inner / heads
	}
	return m
}

// ggufBiases reads from the tensors which projections have biases.
func ggufBiases(f *gguf.File, c *layers.Config) {
	for l, m := range c.Mixers {
		has := func(name string) bool { return ggufHas(f, fmt.Sprintf("blk.%d.%s.bias", l, name)) }
		c.MLPBias = c.MLPBias || has("ffn_gate") || has("ffn_up") || has("ffn_down")
		if m.Kind == layers.KindAttention {
			c.QKVBias = c.QKVBias || has("attn_q") || has("attn_k") || has("attn_v")
			c.OutBias = c.OutBias || has("attn_output")
		}
	}
}

// ggufRope reads the rotary positions: of all attention layers of arch llama,
// and of granitehybrid unless rope.scaling.finetuned says no.
func ggufRope(f *gguf.File, k *ggufKeys, key func(string) string, c *layers.Config, hybrid bool) error {
	theta := k.number(key("rope.freq_base"), 10000)
	on := ggufValue(k, key("rope.scaling.finetuned"), true) || !hybrid
	if n := k.sizeOr(key("rope.dimension_count"), c.HeadDim); on && n != c.HeadDim {
		k.bad(key("rope.dimension_count"), "is %d of %d: rotary positions of a part of the head are not supported", n, c.HeadDim)
	}
	kind, factor := ggufValue(k, key("rope.scaling.type"), "linear"), k.number(key("rope.scaling.factor"), 0)
	original := k.sizeOr(key("rope.scaling.original_context_length"), c.MaxPositions)
	k.neutral(key("rope.scaling.attn_factor"), 1)
	k.neutral(key("rope.scaling.yarn_beta_fast"), 32) // these two are what is taken where there is no key,
	k.neutral(key("rope.scaling.yarn_beta_slow"), 1)  // and neither architecture reads the keys
	if !on {
		return nil
	}
	c.RopeTheta = theta
	switch scaled := factor != 0 && factor != 1; {
	case kind == "none" || !scaled && (kind == "linear" || kind == "yarn"):
	case kind == "linear":
		c.RopeScaling = &layers.RopeScaling{Type: layers.RopeLinear, Factor: factor}
	case kind == "yarn":
		c.RopeScaling = &layers.RopeScaling{Type: layers.RopeYarn, Factor: factor, OriginalPositions: original,
			BetaFast: 32, BetaSlow: 1, Truncate: true, AttentionFactor: 1 + 0.1*math.Log(factor)}
	default:
		k.bad(key("rope.scaling.type"), "is %q, which is not supported", kind)
	}
	return ggufRopeFactors(f, c)
}

// ropeFactors divide the frequencies one by one, as Llama 3's scaling does.
const ropeFactors = "rope_freqs.weight"

func ggufRopeFactors(f *gguf.File, c *layers.Config) error {
	if !ggufHas(f, ropeFactors) {
		return nil
	}
	t, err := f.Read(ropeFactors)
	if err != nil {
		return err
	}
	if c.RopeScaling != nil || t.Size() != c.HeadDim/2 {
		return fmt.Errorf("%s is %v with head width %d and rope scaling %v: want one factor a frequency and no other scaling", ropeFactors, t, c.HeadDim, c.RopeScaling)
	}
	var by []float64
	for _, v := range tensor.Data[float32](t) {
		by = append(by, float64(v))
	}
	// The same factors at any length: what longrope is, had it but one list.
	c.RopeScaling = &layers.RopeScaling{Type: layers.RopeLong, ShortFactors: by, LongFactors: by, AttentionFactor: 1, OriginalPositions: max(c.MaxPositions, 1)}
	return nil
}
