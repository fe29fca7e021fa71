package export

import (
	"fmt"
	"math"

	"stillhouse/checkpoints/hf"
	"stillhouse/layers"
)

// granite describes a model as GraniteMoeHybridForCausalLM, dense: pre-norm
// blocks of attention with rotary positions or Mamba-2, each with a SwiGLU MLP,
// which is what a hybrid of ours is. Two programs load it, and with more than one
// group they differ: transformers takes Mamba-2's gated norm over all of E, vLLM
// over each group. What was trained decides.
func granite(m *layers.Model, o Options) (*Files, error) {
	c := &m.Config
	f := &Files{Format: Granite}
	p, err := f.graniteFits(c, o)
	if err != nil {
		return nil, err
	}
	if f.config, err = graniteConfig(c, p, o).Encode(); err != nil {
		return nil, err
	}
	g := graniteNamer{c, p, f}
	g.add("model.embed_tokens.weight", of(m.Embed))
	for l, b := range m.Blocks {
		g.block(fmt.Sprintf("model.layers.%d.", l), b)
	}
	g.add("model.norm.weight", of(m.Norm))
	if !c.Tied {
		g.add("lm_head.weight", of(m.Head))
	}
	return f, nil
}

// graniteFits says what the model will be padded to, or why it cannot be.
func (f *Files) graniteFits(c *layers.Config, o Options) (p padding, err error) {
	var r refusal
	r.stock(c)
	r.window(c, o.context(c))
	if c.MLPBias {
		r.add("--format gguf", "the MLPs have biases")
	}
	if len(r) == 0 {
		p = f.graniteRuntimes(c, o, &r)
	}
	return p, r.of(Granite)
}

// graniteRuntimes says which programs will load the model, and what has to be
// filled up for them.
func (f *Files) graniteRuntimes(c *layers.Config, o Options, r *refusal) padding {
	m, _ := mamba2Of(c)
	p := padding{queries: c.Heads, was: m, is: m}
	if m.Heads > 0 { // expand is a whole number
		expand := (m.Inner() + c.HiddenSize - 1) / c.HiddenSize
		var err error
		if p.is, err = mambaFor(m, expand*c.HiddenSize); err != nil {
			r.add("student.mixer: {heads, head_dim} whose product is a multiple of hidden_size", "Mamba-2 must be a whole number of times as wide as the model, %d, and %v", c.HiddenSize, err)
		}
	}
	transformers, vllm := !perGroup(m), m.Heads == 0 || m.GroupedNorm || m.Groups == 1
	if o.Runtime == Transformers && !transformers {
		r.add("student.mixer.norm: full, or groups: 1, before training; or --for vllm", "Mamba-2 is normed per group of %d, and transformers norms over all groups", m.Groups)
	}
	if o.Runtime == VLLM && !vllm {
		r.add("student.mixer.norm: grouped, or groups: 1, before training; or --for transformers", "Mamba-2 is normed over all of its %d groups, and vLLM norms each", m.Groups)
	}
	if vllm && len(layersOf(c, layers.KindAttention)) > 0 && c.Heads*c.HeadDim != c.HiddenSize {
		if q := queriesFor(c); q > 0 && o.Runtime != Transformers {
			p.queries = q
		} else if q == 0 {
			vllm = false
			if o.Runtime == VLLM || !transformers {
				r.add("", "vLLM wants attention as wide as the model, %d, and %d heads of %d over %d key/value heads cannot be filled up to that", c.HiddenSize, c.Heads, c.HeadDim, c.KVHeads)
			}
		}
	}
	if transformers {
		f.Runtimes = append(f.Runtimes, Transformers)
	}
	if vllm {
		f.Runtimes = append(f.Runtimes, VLLM)
	}
	f.paddingNotes(c, p)
	return p
}

// paddingNotes says what was filled up.
func (f *Files) paddingNotes(c *layers.Config, p padding) {
	if p.queries != c.Heads {
		f.Notes = append(f.Notes, fmt.Sprintf("Attention has %d query heads, of which %d are idle: zero weights that fill it up to the model's width.", p.queries, p.queries-c.Heads))
	}
	if p.is.Heads != p.was.Heads {
		f.Notes = append(f.Notes, fmt.Sprintf("Mamba-2 has %d heads, of which %d are idle: they fill it up to %d channels.", p.is.Heads, p.is.Heads-p.was.Heads, p.is.Inner()))
	}
	if f.Inexact = !p.exact(); f.Inexact {
		f.Notes = append(f.Notes, fmt.Sprintf("The epsilon of Mamba-2's norm counts %.3g times as much as in training: the norm's mean runs over the idle channels too.", float64(p.is.Inner())/float64(p.was.Inner())))
	}
}

// graniteConfig returns the config.json.
func graniteConfig(c *layers.Config, p padding, o Options) *hf.Config {
	h := &hf.Config{
		ModelType: "granitemoehybrid", VocabSize: c.VocabSize, HiddenSize: c.HiddenSize, Intermediate: c.Intermediate,
		NormEps: c.NormEps, Tied: c.Tied, MaxPositions: o.context(c), BOS: c.BOS, EOS: []int{c.EOS}, DType: o.DType,
		EmbeddingMultiplier: c.EmbedScale, ResidualMultiplier: c.ResidualScale, LogitsScaling: c.LogitsDivisor,
	}
	for _, m := range c.Mixers {
		if m.Kind == layers.KindMamba2 {
			h.Mixers = append(h.Mixers, hf.Mamba2)
			continue
		}
		h.Mixers = append(h.Mixers, hf.Attention)
		attention(h, c, p.queries)
		h.QKVBias = c.QKVBias || c.OutBias // one key for all four
		h.OutBias = h.QKVBias
		if h.AttentionMultiplier = c.Scale; c.Scale == 0 {
			h.AttentionMultiplier = 1 / math.Sqrt(float64(c.HeadDim))
		}
	}
	if m := p.is; m.Heads > 0 {
		h.Mamba = &hf.MambaConfig{Heads: m.Heads, HeadDim: m.HeadDim, Groups: m.Groups, State: m.State, Conv: m.Conv, Chunk: 256, NormPerGroup: perGroup(m)}
	}
	return h
}

// attention fills in what all layers of attention share.
func attention(h *hf.Config, c *layers.Config, queries int) {
	h.Heads, h.KVHeads, h.HeadDim, h.RopeTheta = queries, c.KVHeads, c.HeadDim, c.RopeTheta
	if s := c.RopeScaling; s != nil {
		scaling := hf.RopeScaling(*s)
		h.RopeScaling = &scaling
	}
}

// graniteNamer gives weights their names.
type graniteNamer struct {
	c *layers.Config
	padding
	*Files
}

func (g graniteNamer) block(at string, b *layers.Block) {
	g.add(at+"input_layernorm.weight", of(b.InputNorm))
	switch m := b.Mixer.(type) {
	case *layers.Attention:
		g.attention(at+"self_attn.", m)
	case *layers.Mamba2:
		x := g.mixer(m)
		at := at + "mamba."
		g.add(at+"in_proj.weight", x.in)
		g.add(at+"conv1d.weight", x.convW)
		g.add(at+"conv1d.bias", x.convB)
		g.add(at+"dt_bias", x.dtBias)
		g.add(at+"A_log", x.aLog)
		g.add(at+"D", x.skip)
		g.add(at+"norm.weight", x.normW)
		g.add(at+"out_proj.weight", x.out)
	}
	g.add(at+"post_attention_layernorm.weight", of(b.PostNorm))
	g.add(at+"shared_mlp.input_linear.weight", of(b.MLP.GateUp)) // gate over up
	g.add(at+"shared_mlp.output_linear.weight", of(b.MLP.Down))
}

func (g graniteNamer) attention(at string, a *layers.Attention) {
	c, dtype := g.c, a.QKV.Value.DType()
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	split := func(what string, v value) {
		g.add(at+"q_proj."+what, g.query(c, v.rows(0, q)))
		g.add(at+"k_proj."+what, v.rows(q, q+kv))
		g.add(at+"v_proj."+what, v.rows(q+kv, q+2*kv))
	}
	split("weight", of(a.QKV))
	g.add(at+"o_proj.weight", g.output(c, of(a.O)))
	if c.QKVBias || c.OutBias {
		split("bias", ofOrZero(a.QKVBias, dtype, q+2*kv))
		g.add(at+"o_proj.bias", ofOrZero(a.OBias, dtype, c.HiddenSize))
	}
}
