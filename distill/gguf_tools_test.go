package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"stillhouse/checkpoints/gguf"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// ggufContent is a model as llama.cpp's converter would write it: a second,
// plain reading of its names and orders (conversion/{llama,granite,mamba}.py).
func ggufContent(t testing.TB, m *layers.Model, typ gguf.Type) (meta []gguf.KV, tensors []gguf.Named) {
	t.Helper()
	c := &m.Config
	arch, hybrid := "llama", strings.Contains(c.Strip(), "M")
	if hybrid {
		arch = "granitehybrid"
	}
	put := func(key string, v any) { meta = append(meta, gguf.KV{Key: key, Value: v}) }
	size := func(key string, n int) { put(arch+"."+key, uint32(n)) }
	factor := func(key string, v float64) { put(arch+"."+key, float32(v)) }
	matrix := func(name string, x *tensor.Tensor) {
		tensors = append(tensors, gguf.Named{Name: name, Tensor: x, Type: typ})
	}
	exact := func(name string, x *tensor.Tensor) {
		tensors = append(tensors, gguf.Named{Name: name, Tensor: x, Type: gguf.F32})
	}

	put("general.architecture", arch)
	put("general.file_type", uint32(0))
	size("block_count", c.Layers())
	size("context_length", c.MaxPositions)
	size("embedding_length", c.HiddenSize)
	size("feed_forward_length", c.Intermediate)
	size("attention.head_count", c.Heads)
	size("attention.key_length", c.HeadDim)
	size("attention.value_length", c.HeadDim)
	factor("attention.layer_norm_rms_epsilon", c.NormEps)
	size("rope.dimension_count", c.HeadDim)
	size("vocab_size", c.VocabSize)
	if c.RopeTheta > 0 {
		factor("rope.freq_base", c.RopeTheta)
	}
	if hybrid {
		put(arch+".rope.scaling.finetuned", c.RopeTheta > 0)
		factor("attention.scale", c.Scale) // 0 means what a missing key does
		factor("embedding_scale", c.EmbedScale)
		factor("residual_scale", c.ResidualScale)
		factor("logit_scale", c.LogitsDivisor)
	}
	put("tokenizer.ggml.model", "none")
	put("tokenizer.ggml.bos_token_id", uint32(c.BOS))
	put("tokenizer.ggml.eos_token_id", uint32(c.EOS))

	matrix("token_embd.weight", m.Embed.Value)
	exact("output_norm.weight", m.Norm.Value)
	if m.Head != m.Embed {
		matrix("output.weight", m.Head.Value)
	}
	if s := c.RopeScaling; s != nil {
		plain := layers.Config{RopeTheta: c.RopeTheta, HeadDim: c.HeadDim}
		f, _ := plain.RopeFrequencies(1)
		scaled, _ := c.RopeFrequencies(1)
		by := tensor.New(tensor.F32, len(f))
		for i := range f {
			tensor.Data[float32](by)[i] = float32(f[i] / scaled[i])
		}
		exact("rope_freqs.weight", by)
	}
	var kv []int32
	for l, b := range m.Blocks {
		at := func(name string) string { return fmt.Sprintf("blk.%d.%s", l, name) }
		exact(at("attn_norm.weight"), b.InputNorm.Value)
		exact(at("ffn_norm.weight"), b.PostNorm.Value)
		i := c.Intermediate
		matrix(at("ffn_gate.weight"), b.MLP.GateUp.Value.Rows(0, i))
		matrix(at("ffn_up.weight"), b.MLP.GateUp.Value.Rows(i, 2*i))
		matrix(at("ffn_down.weight"), b.MLP.Down.Value)
		if b.MLP.DownBias != nil {
			exact(at("ffn_gate.bias"), b.MLP.GateUpBias.Value.Rows(0, i))
			exact(at("ffn_up.bias"), b.MLP.GateUpBias.Value.Rows(i, 2*i))
			exact(at("ffn_down.bias"), b.MLP.DownBias.Value)
		}
		switch x := b.Mixer.(type) {
		case *layers.Attention:
			kv = append(kv, int32(c.KVHeads))
			p, h, g := c.HeadDim, c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
			matrix(at("attn_q.weight"), neighbours(x.QKV.Value.Rows(0, h), p))
			matrix(at("attn_k.weight"), neighbours(x.QKV.Value.Rows(h, h+g), p))
			matrix(at("attn_v.weight"), x.QKV.Value.Rows(h+g, h+2*g))
			matrix(at("attn_output.weight"), x.O.Value)
			if x.QKVBias != nil {
				exact(at("attn_q.bias"), neighbours(x.QKVBias.Value.Rows(0, h), p))
				exact(at("attn_k.bias"), neighbours(x.QKVBias.Value.Rows(h, h+g), p))
				exact(at("attn_v.bias"), x.QKVBias.Value.Rows(h+g, h+2*g))
			}
			if x.OBias != nil {
				exact(at("attn_output.bias"), x.OBias.Value)
			}
		case *layers.Mamba2:
			kv = append(kv, 0)
			n := x.Config
			a := tensor.New(tensor.F32, n.Heads, 1)
			for i, v := range tensor.Data[float32](x.ALog.Value) {
				tensor.Data[float32](a)[i] = float32(-math.Exp(float64(v)))
			}
			matrix(at("ssm_in.weight"), x.In.Value)
			exact(at("ssm_conv1d.weight"), x.ConvW.Value.Reshape(n.ConvDim(), n.Conv))
			exact(at("ssm_conv1d.bias"), x.ConvB.Value)
			exact(at("ssm_dt.bias"), x.DtBias.Value)
			exact(at("ssm_a"), a)
			exact(at("ssm_d"), x.Skip.Value.Reshape(n.Heads, 1))
			exact(at("ssm_norm.weight"), x.NormW.Value.Reshape(n.Groups, n.Inner()/n.Groups))
			matrix(at("ssm_out.weight"), x.Out.Value)
		default:
			t.Fatalf("layer %d is a %T", l, x)
		}
	}
	put(arch+".attention.head_count_kv", kv)
	if l := slices.Index(kv, 0); l >= 0 {
		n := c.Mixers[l].Mamba2
		size("ssm.conv_kernel", n.Conv)
		size("ssm.inner_size", n.Inner())
		size("ssm.state_size", n.State)
		size("ssm.time_step_rank", n.Heads)
		size("ssm.group_count", n.Groups)
	}
	return meta, tensors
}

// neighbours orders the rows of each head of p as llama.cpp does: what turns by
// one angle stands together. In numpy: reshape(-1, 2, p/2, w).swapaxes(1, 2).
func neighbours(x *tensor.Tensor, p int) *tensor.Tensor {
	y := x.Clone()
	for head := 0; head < x.Dim(0); head += p {
		for half := range 2 {
			for j := range p / 2 {
				to, from := head+2*j+half, head+half*p/2+j
				y.Rows(to, to+1).CopyFrom(x.Rows(from, from+1))
			}
		}
	}
	return y
}

// writeGGUF puts a file into a folder of the test.
func writeGGUF(t testing.TB, meta []gguf.KV, tensors []gguf.Named) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := gguf.Write(f, meta, tensors); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// randomHybrid is a small model of width d, attention and Mamba-2 in two groups,
// with rotary positions and every weight away from its neutral value.
func randomHybrid(t testing.TB, d int) *layers.Model {
	t.Helper()
	c := layers.Config{VocabSize: 2*d + 3, HiddenSize: d, Intermediate: 3 * d / 2, Heads: 4, KVHeads: 2, HeadDim: 12, RopeTheta: 5000, NormEps: 1e-5,
		MaxPositions: 128, BOS: 1, EOS: 2, ResidualScale: 0.7}
	mamba := layers.Mixed{Kind: layers.KindMamba2, Mamba2: &layers.Mamba2Config{Heads: 8, HeadDim: d / 4, Groups: 2, State: d / 2, Conv: 4, Chunk: 64, GroupedNorm: true, NormEps: c.NormEps}}
	attention := layers.Mixed{Kind: layers.KindAttention}
	c.Mixers = []layers.Mixed{mamba, attention, mamba, attention}
	m, err := layers.New(c, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range m.Params() {
		layers.Normal(p.Value, 0.25, r)
		if len(p.Value.Shape()) == 1 {
			for i := range tensor.Data[float32](p.Value) {
				tensor.Data[float32](p.Value)[i] += 0.5
			}
		}
	}
	return m
}
