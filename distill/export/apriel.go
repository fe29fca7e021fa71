package export

import (
	"fmt"
	"math"

	"stillhouse/checkpoints/hf"
	"stillhouse/layers"
)

// apriel describes a model as Apriel-H1's hybrid: Mistral's layers (t), Mamba-1
// mixers (m2), layers that are not there (i).
//
// The published m2 repeats x and B in blocks of N channels, a transfer with heads
// aligned in blocks of P. Both give every block of N channels of x and B to the
// same number of blocks of E, so that one is the other with the channels of E in
// another order, which nothing outside the mixer sees: exact.
func apriel(m *layers.Model, o Options) (*Files, error) {
	c := &m.Config
	f := &Files{Format: Apriel, Runtimes: []Runtime{AprielCode}}
	if err := aprielFits(c, o); err != nil {
		return nil, err
	}
	h := &hf.Config{
		ModelType: "apriel_hybrid_ssm", VocabSize: c.VocabSize, HiddenSize: c.HiddenSize, Intermediate: c.Intermediate,
		NormEps: c.NormEps, Tied: c.Tied, MaxPositions: o.context(c), BOS: c.BOS, EOS: []int{c.EOS}, DType: o.DType,
	}
	for _, x := range c.Mixers {
		switch x.Kind {
		case layers.KindMamba1:
			h.Mixers = append(h.Mixers, hf.Mamba1)
			h.Mamba1 = &hf.Mamba1Config{Inner: x.Mamba1.Inner, XB: x.Mamba1.XB, State: x.Mamba1.State, Conv: x.Mamba1.Conv, Rank: x.Mamba1.Rank}
		case layers.KindIdentity:
			h.Mixers = append(h.Mixers, hf.Identity)
		default:
			h.Mixers = append(h.Mixers, hf.Attention)
			attention(h, c, c.Heads)
		}
	}
	h.AttentionMultiplier = 0 // 1/sqrt(P), which has no key here
	var err error
	if f.config, err = h.Encode(); err != nil {
		return nil, err
	}
	f.add("model.embed_tokens.weight", of(m.Embed))
	for l, b := range m.Blocks {
		f.aprielBlock(c, fmt.Sprintf("model.layers.%d.", l), b)
	}
	f.add("model.norm.weight", of(m.Norm))
	if !c.Tied {
		f.add("lm_head.weight", of(m.Head))
	}
	return f, nil
}

// aprielFits says what the format has no place for.
func aprielFits(c *layers.Config, o Options) error {
	var r refusal
	if o.Runtime != "" && o.Runtime != AprielCode {
		r.add("student.mixer.type: mamba2 before training", "%s has no Mamba-1 of this kind", o.Runtime)
	}
	if ls := layersOf(c, layers.KindMamba2); ls != nil {
		r.add("--format granitemoehybrid or gguf", "%s Mamba-2", are(ls))
	}
	r.window(c, o.context(c))
	for _, x := range []struct {
		has  bool
		what string
	}{
		{c.QKNorm, "queries and keys are normed (QK-norm)"},
		{c.QKVBias || c.OutBias, "attention has biases"},
		{c.MLPBias, "the MLPs have biases"},
		{c.Intermediate == 0, "the blocks have no MLP"},
		{c.Scale != 0 && c.Scale != 1/math.Sqrt(float64(c.HeadDim)), "attention has a scale of its own"},
		{c.EmbedScale != 0 || c.ResidualScale != 0 || c.LogitsDivisor != 0, "embeddings, residuals or logits have multipliers"},
	} {
		if x.has {
			r.add("a teacher without, such as Mistral or Llama", "%s", x.what)
		}
	}
	var sizes *layers.Mamba1Config
	for _, x := range c.Mixers {
		if x.Mamba1 == nil {
			continue
		}
		m := *x.Mamba1
		m.RepeatGroup = 0 // is brought into order
		if sizes != nil && m != *sizes {
			r.add("", "the Mamba-1 layers have different sizes")
			break
		}
		if m.XB%m.State != 0 || x.Mamba1.RepeatGroup%m.State != 0 {
			r.add(fmt.Sprintf("student.mixer.state: a divisor of %d, before training", x.Mamba1.RepeatGroup), "a state of %d does not divide the blocks of %d channels that x and B are shared in", m.State, x.Mamba1.RepeatGroup)
			break
		}
		sizes = &m
	}
	return r.of(Apriel)
}

func (f *Files) aprielBlock(c *layers.Config, at string, b *layers.Block) {
	if b.InputNorm == nil {
		return // identity
	}
	f.add(at+"input_layernorm.weight", of(b.InputNorm))
	switch m := b.Mixer.(type) {
	case *layers.Attention:
		q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
		f.add(at+"self_attn.q_proj.weight", of(m.QKV).rows(0, q))
		f.add(at+"self_attn.k_proj.weight", of(m.QKV).rows(q, q+kv))
		f.add(at+"self_attn.v_proj.weight", of(m.QKV).rows(q+kv, q+2*kv))
		f.add(at+"self_attn.o_proj.weight", of(m.O))
	case *layers.Mamba1:
		f.mamba1(at+"mixer.", m)
	}
	f.add(at+"post_attention_layernorm.weight", of(b.PostNorm))
	i := c.Intermediate
	f.add(at+"mlp.gate_proj.weight", of(b.MLP.GateUp).rows(0, i))
	f.add(at+"mlp.up_proj.weight", of(b.MLP.GateUp).rows(i, 2*i))
	f.add(at+"mlp.down_proj.weight", of(b.MLP.Down))
}

// mamba1 adds an m2 mixer, its channels in the published order.
func (f *Files) mamba1(at string, m *layers.Mamba1) {
	e, xb := m.Config.Inner, m.Config.XB
	order := publishedOrder(m.Config)
	rows := func(p *layers.Param) value { return of(p).spread(0, e, order) }
	behind := func(base int, segs []segment) (out []segment) {
		for _, s := range segs {
			out = append(out, segment{base + s.to, base + s.from, s.n})
		}
		return out
	}
	// in_proj holds z [E], x and B [XB] each, C [E].
	in := append(behind(0, order), segment{e, e, 2 * xb})
	in = append(in, behind(e+2*xb, order)...)
	f.add(at+"in_proj.weight", of(m.In).spread(0, 2*e+2*xb, in))
	f.add(at+"conv1d.weight", rows(m.ConvW))
	f.add(at+"conv1d.bias", rows(m.ConvB))
	f.add(at+"dt_in_proj.weight", of(m.DtIn))
	f.add(at+"dt_proj.weight", rows(m.Dt))
	f.add(at+"dt_proj.bias", rows(m.DtBias))
	f.add(at+"A_log", rows(m.ALog))
	f.add(at+"D", rows(m.Skip))
	f.add(at+"out_proj.weight", of(m.Out).spread(1, e, order))
}

// publishedOrder moves blocks of N channels so that those that share a block of
// x and B are neighbours.
func publishedOrder(c layers.Mamba1Config) (segs []segment) {
	n, repeat := c.State, c.Inner/c.XB
	next := make([]int, c.XB/n) // of each block of x: how many of its channels are placed
	for b := range c.Inner / n {
		g := c.RepeatGroup / n             // blocks repeated together
		source := b/(g*repeat)*g + b%g     // the block of x that block b reads
		to := source*repeat + next[source] // behind those that read the same
		next[source]++
		segs = append(segs, segment{to * n, b * n, n})
	}
	return segs
}
