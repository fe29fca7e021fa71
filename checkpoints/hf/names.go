package hf

import "fmt"

// Weight is a weight that a model must have.
type Weight struct {
	Name  string
	Shape []int
}

// The names of the head and of the embedding it may be tied to.
const (
	headName  = "lm_head.weight"
	embedName = "model.embed_tokens.weight"
)

// Weights returns what the model must have, under Hugging Face's names, in the
// order of the forward pass; nil for model_type stillhouse.
func (c *Config) Weights() []Weight {
	n := namer{c: c}
	switch c.ModelType {
	case "llama", "mistral", "qwen2", "qwen3", "granitemoehybrid":
		n.transformer()
	case "apriel_ssm_thinker_hybrid", "apriel_hybrid_ssm":
		n.apriel()
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
	n.add(embedName, c.VocabSize, c.HiddenSize)
	for l, m := range c.Mixers {
		n.layer(fmt.Sprintf("model.layers.%d.", l), m)
	}
	n.add("model.norm.weight", c.HiddenSize)
	n.head()
}

// layer lists norm, mixer, norm and MLP.
func (n *namer) layer(at string, m Mixer) {
	c := n.c
	d, i := c.HiddenSize, c.Intermediate
	n.add(at+"input_layernorm.weight", d)
	switch m {
	case Attention, Sliding:
		n.attention(at + "self_attn.")
	case Mamba1:
		n.mamba1(at + "mixer.")
	default:
		n.mamba(at + "mamba.")
	}
	n.add(at+"post_attention_layernorm.weight", d)
	if c.ModelType == "granitemoehybrid" { // gate_proj over up_proj in one matrix
		n.add(at+"shared_mlp.input_linear.weight", 2*i, d)
		n.add(at+"shared_mlp.output_linear.weight", d, i)
		return
	}
	n.linear(at+"mlp.gate_proj", c.MLPBias, i, d)
	n.linear(at+"mlp.up_proj", c.MLPBias, i, d)
	n.linear(at+"mlp.down_proj", c.MLPBias, d, i)
}

func (n *namer) attention(at string) {
	c, d := n.c, n.c.HiddenSize
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	n.linear(at+"q_proj", c.QKVBias, q, d)
	n.linear(at+"k_proj", c.QKVBias, kv, d)
	n.linear(at+"v_proj", c.QKVBias, kv, d)
	if c.QKNorm {
		n.add(at+"q_norm.weight", c.HeadDim)
		n.add(at+"k_norm.weight", c.HeadDim)
	}
	n.linear(at+"o_proj", c.OutBias, d, q)
}

func (n *namer) linear(name string, bias bool, out, in int) {
	n.add(name+".weight", out, in)
	if bias {
		n.add(name+".bias", out)
	}
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
		n.add(headName, n.c.VocabSize, n.c.HiddenSize)
	}
}
