package hf

import "fmt"

// Weight is a weight that a model must have.
type Weight struct {
	Name  string
	Shape []int
}

// Weights returns what the model must have, under Hugging Face's names, in the
// order of the forward pass; nil for model_type stillhouse.
func (c *Config) Weights() []Weight {
	n := namer{c: c}
	switch c.ModelType {
	case "llama", "mistral", "granitemoehybrid":
		n.transformer()
	case "mamba2":
		n.mamba2()
	}
	return n.weights
}

// namer collects weights.
type namer struct {
	c       *Config
	weights []Weight
}

func (n *namer) add(name string, shape ...int) {
	n.weights = append(n.weights, Weight{name, shape})
}

func (n *namer) transformer() {
	c := n.c
	d, i := c.HiddenSize, c.Intermediate
	n.add("model.embed_tokens.weight", c.VocabSize, d)
	for l, m := range c.Mixers {
		at := fmt.Sprintf("model.layers.%d.", l)
		n.add(at+"input_layernorm.weight", d)
		if m == Attention {
			q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
			n.add(at+"self_attn.q_proj.weight", q, d)
			n.add(at+"self_attn.k_proj.weight", kv, d)
			n.add(at+"self_attn.v_proj.weight", kv, d)
			n.add(at+"self_attn.o_proj.weight", d, q)
		} else {
			n.mamba(at + "mamba.")
		}
		n.add(at+"post_attention_layernorm.weight", d)
		if c.ModelType == "granitemoehybrid" { // gate_proj over up_proj in one matrix
			n.add(at+"shared_mlp.input_linear.weight", 2*i, d)
			n.add(at+"shared_mlp.output_linear.weight", d, i)
		} else {
			n.add(at+"mlp.gate_proj.weight", i, d)
			n.add(at+"mlp.up_proj.weight", i, d)
			n.add(at+"mlp.down_proj.weight", d, i)
		}
	}
	n.add("model.norm.weight", d)
	n.head()
}

func (n *namer) mamba2() {
	c := n.c
	n.add("backbone.embeddings.weight", c.VocabSize, c.HiddenSize)
	for l := range c.Mixers {
		at := fmt.Sprintf("backbone.layers.%d.", l)
		n.add(at+"norm.weight", c.HiddenSize)
		n.mamba(at + "mixer.")
	}
	n.add("backbone.norm_f.weight", c.HiddenSize)
	n.head()
}

func (n *namer) mamba(at string) {
	m, d := n.c.Mamba, n.c.HiddenSize
	n.add(at+"in_proj.weight", m.ProjDim(), d)
	n.add(at+"conv1d.weight", m.ConvDim(), 1, m.Conv)
	n.add(at+"conv1d.bias", m.ConvDim())
	n.add(at+"dt_bias", m.Heads)
	n.add(at+"A_log", m.Heads)
	n.add(at+"D", m.Heads)
	n.add(at+"norm.weight", m.Inner())
	n.add(at+"out_proj.weight", d, m.Inner())
}

func (n *namer) head() {
	if !n.c.Tied {
		n.add("lm_head.weight", n.c.VocabSize, n.c.HiddenSize)
	}
}
