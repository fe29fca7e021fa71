package export

import (
	"fmt"
	"math"

	"stillhouse/checkpoints/gguf"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// ggufFile describes a model as llama.cpp reads it: granitehybrid, or llama
// for a model of attention alone. What differs from our own layout:
//
//	q_proj, k_proj   rotary pairs lie side by side, (2j, 2j+1), not half a head apart
//	ssm_a            A itself, -exp(A_log)
//	ssm_norm         [G, E/G]: the gated norm runs per group
//	E = 2·D          idle heads fill it up; the reader asserts it
//
// llama.cpp's own converter drops the rotary positions of such a model; the key
// rope.scaling.finetuned is what turns them on.
func ggufFile(m *layers.Model, o Options) (*Files, error) {
	c := &m.Config
	f := &Files{Format: GGUF}
	p, err := f.ggufFits(c, o)
	if err != nil {
		return nil, err
	}
	g := ggufNamer{graniteNamer{c, p, f}}
	f.meta = g.metadata(o)
	g.add("token_embd.weight", of(m.Embed))
	for l, b := range m.Blocks {
		g.layer(fmt.Sprintf("blk.%d.", l), b)
	}
	g.add("output_norm.weight", of(m.Norm))
	if !c.Tied {
		g.add("output.weight", of(m.Head))
	}
	if s := c.RopeScaling; s != nil && s.Type == layers.RopeLlama3 {
		g.add("rope_freqs.weight", whole(ropeFactors(c)))
	}
	return f, nil
}

// ggufFits says what the model will be padded to, or why it cannot be.
func (f *Files) ggufFits(c *layers.Config, o Options) (padding, error) {
	mamba, _ := mamba2Of(c)
	var r refusal
	r.stock(c)
	r.window(c, o.context(c))
	ggufRefuses(c, mamba, o, &r)
	p := padding{queries: c.Heads, was: mamba, is: mamba}
	if mamba.Heads > 0 {
		var err error
		if p.is, err = mambaFor(mamba, 2*c.HiddenSize); err != nil {
			r.add("student.mixer: {heads, head_dim} whose product is hidden_size, or twice that", "llama.cpp wants Mamba-2 twice as wide as the model, and %v", err)
		}
	}
	f.Runtimes = []Runtime{LlamaCPP}
	f.paddingNotes(c, p)
	return p, r.of(GGUF)
}

// ggufRefuses lists what llama.cpp's hybrids have no place for beyond the common.
func ggufRefuses(c *layers.Config, m layers.Mamba2Config, o Options, r *refusal) {
	if o.Runtime != "" && o.Runtime != LlamaCPP {
		r.add("--format granitemoehybrid", "%s loads no GGUF of this kind", o.Runtime)
	}
	if m.Groups > 1 && !m.GroupedNorm {
		r.add("student.mixer.norm: grouped, or groups: 1, before training", "Mamba-2 is normed over all of its %d groups, and llama.cpp norms each", m.Groups)
	}
	if m.Heads == 0 && (c.Scale != 0 && c.Scale != 1/math.Sqrt(float64(c.HeadDim)) || c.EmbedScale != 0 || c.ResidualScale != 0 || c.LogitsDivisor != 0) {
		r.add("--format granitemoehybrid", "llama.cpp's llama has no multipliers")
	}
	if m.Heads == 0 && c.RopeTheta == 0 {
		r.add("--format granitemoehybrid", "llama.cpp's llama always turns positions, and the model has none")
	}
	if c.MaxPositions == 0 && o.Context == 0 {
		r.add("--context TOKENS", "the model says no longest context, and llama.cpp wants one")
	}
	s := c.RopeScaling
	if s == nil {
		return
	}
	switch s.Type {
	case layers.RopeDynamic, layers.RopeLong:
		r.add("--format granitemoehybrid", "llama.cpp has no rotary scaling %q here", s.Type)
	case layers.RopeYarn:
		if want := 0.1*math.Log(s.Factor) + 1; s.BetaFast != 32 || s.BetaSlow != 1 || !s.Truncate || math.Abs(s.AttentionFactor-want) > 1e-6 {
			r.add("--format granitemoehybrid", "llama.cpp reads no yarn but that of beta_fast 32, beta_slow 1 and attention_factor 0.1·ln(factor)+1 = %.6g; the model has %g, %g and %g", want, s.BetaFast, s.BetaSlow, s.AttentionFactor)
		}
	}
}

// metadata returns the keys that say what the model is.
func (g ggufNamer) metadata(o Options) []gguf.KV {
	c, arch := g.c, "llama"
	if g.is.Heads > 0 {
		arch = "granitehybrid"
	}
	meta := []gguf.KV{{Key: "general.architecture", Value: arch}, {Key: "general.file_type", Value: dtypes[o.DType].fileType}}
	set := func(key string, v any) { meta = append(meta, gguf.KV{Key: arch + "." + key, Value: v}) }
	count := func(key string, n int) { set(key, uint32(n)) }
	kv := make([]int32, c.Layers()) // 0: the layer is Mamba
	for _, l := range layersOf(c, layers.KindAttention) {
		kv[l] = int32(c.KVHeads)
	}
	count("vocab_size", c.VocabSize)
	count("context_length", o.context(c))
	count("embedding_length", c.HiddenSize)
	count("block_count", c.Layers())
	count("feed_forward_length", c.Intermediate)
	count("attention.head_count", c.Heads)
	set("attention.head_count_kv", kv)
	count("attention.key_length", c.HeadDim)
	count("attention.value_length", c.HeadDim)
	set("attention.layer_norm_rms_epsilon", float32(c.NormEps))
	count("rope.dimension_count", c.HeadDim)
	if c.RopeTheta > 0 {
		set("rope.freq_base", float32(c.RopeTheta))
	}
	if s := c.RopeScaling; s != nil && (s.Type == layers.RopeLinear || s.Type == layers.RopeYarn) {
		set("rope.scaling.type", s.Type)
		set("rope.scaling.factor", float32(s.Factor))
		if s.Type == layers.RopeYarn {
			count("rope.scaling.original_context_length", s.OriginalPositions)
		}
	}
	if arch == "llama" {
		return meta
	}
	set("rope.scaling.finetuned", c.RopeTheta > 0) // here: whether positions are turned at all
	scale := c.Scale
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(c.HeadDim))
	}
	set("attention.scale", float32(scale))
	for _, x := range []struct {
		key   string
		value float64
	}{{"embedding_scale", c.EmbedScale}, {"residual_scale", c.ResidualScale}, {"logit_scale", c.LogitsDivisor}} {
		if x.value != 0 {
			set(x.key, float32(x.value))
		}
	}
	m := g.is
	count("ssm.conv_kernel", m.Conv)
	count("ssm.inner_size", m.Inner())
	count("ssm.state_size", m.State)
	count("ssm.time_step_rank", m.Heads) // the number of heads, under Mamba-1's name
	count("ssm.group_count", m.Groups)
	return meta
}

// ggufNamer gives weights their names.
type ggufNamer struct{ graniteNamer }

func (g ggufNamer) layer(at string, b *layers.Block) {
	c := g.c
	g.add(at+"attn_norm.weight", of(b.InputNorm)) // of Mamba layers too
	switch m := b.Mixer.(type) {
	case *layers.Attention:
		q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
		split := func(what string, v value) {
			g.add(at+"attn_q."+what, sideBySide(v.rows(0, q), c.HeadDim))
			g.add(at+"attn_k."+what, sideBySide(v.rows(q, q+kv), c.HeadDim))
			g.add(at+"attn_v."+what, v.rows(q+kv, q+2*kv))
		}
		split("weight", of(m.QKV))
		g.add(at+"attn_output.weight", of(m.O))
		if m.QKVBias != nil {
			split("bias", of(m.QKVBias))
		}
		if m.OBias != nil {
			g.add(at+"attn_output.bias", of(m.OBias))
		}
	case *layers.Mamba2:
		x, s := g.mixer(m), g.is
		g.add(at+"ssm_in.weight", x.in)
		g.add(at+"ssm_conv1d.weight", x.convW.reshaped(s.ConvDim(), s.Conv))
		g.add(at+"ssm_conv1d.bias", x.convB)
		g.add(at+"ssm_dt.bias", x.dtBias)
		g.add(at+"ssm_a", x.aLog.reshaped(s.Heads, 1).mapped(func(a float64) float64 { return -math.Exp(a) }))
		g.add(at+"ssm_d", x.skip.reshaped(s.Heads, 1))
		g.add(at+"ssm_norm.weight", x.normW.reshaped(s.Groups, s.Inner()/s.Groups))
		g.add(at+"ssm_out.weight", x.out)
	}
	i := c.Intermediate
	g.add(at+"ffn_norm.weight", of(b.PostNorm))
	g.add(at+"ffn_gate.weight", of(b.MLP.GateUp).rows(0, i))
	g.add(at+"ffn_up.weight", of(b.MLP.GateUp).rows(i, 2*i))
	g.add(at+"ffn_down.weight", of(b.MLP.Down))
	if b.MLP.GateUpBias != nil {
		g.add(at+"ffn_gate.bias", of(b.MLP.GateUpBias).rows(0, i))
		g.add(at+"ffn_up.bias", of(b.MLP.GateUpBias).rows(i, 2*i))
		g.add(at+"ffn_down.bias", of(b.MLP.DownBias))
	}
}

// sideBySide brings the rotary pairs (j, j+P/2) of every head of P rows to
// (2j, 2j+1).
func sideBySide(v value, p int) value {
	var segs []segment
	for head := 0; head < v.shape[0]; head += p {
		for j := range p / 2 {
			segs = append(segs, segment{head + 2*j, head + j, 1}, segment{head + 2*j + 1, head + j + p/2, 1})
		}
	}
	return v.spread(0, v.shape[0], segs)
}

// ropeFactors returns what llama3's scaling divides each frequency by, [P/2].
func ropeFactors(c *layers.Config) *tensor.Tensor {
	plain := *c
	plain.RopeScaling = nil
	was, _ := plain.RopeFrequencies(c.MaxPositions)
	is, _ := c.RopeFrequencies(c.MaxPositions)
	factors := make([]float32, len(was))
	for i := range was {
		factors[i] = float32(was[i] / is[i])
	}
	return tensor.From(factors, len(factors))
}
