package distill

import (
	"encoding/json"
	"fmt"
	"strings"

	"stillhouse/checkpoints/hf"
	"stillhouse/layers"
)

// configOf turns what a config.json says into a model's sizes. The function
// returned turns our weights' names into the file's; nil keeps them.
func configOf(h *hf.Config) (layers.Config, func(string) string, error) {
	if h.Stillhouse != nil {
		var c layers.Config
		if err := json.Unmarshal(h.Stillhouse, &c); err != nil {
			return c, nil, fmt.Errorf("the stillhouse object: %w", err)
		}
		return c, nil, c.Check()
	}
	c := layers.Config{
		VocabSize: h.VocabSize, HiddenSize: h.HiddenSize, Intermediate: h.Intermediate, Heads: h.Heads, KVHeads: h.KVHeads,
		HeadDim: h.HeadDim, RopeTheta: h.RopeTheta, NormEps: h.NormEps, Scale: h.AttentionMultiplier, Window: h.Window,
		Tied: h.Tied, MaxPositions: h.MaxPositions, BOS: h.BOS,
		QKVBias: h.QKVBias, OutBias: h.OutBias, MLPBias: h.MLPBias, QKNorm: h.QKNorm,
		EmbedScale: h.EmbeddingMultiplier, ResidualScale: h.ResidualMultiplier, LogitsDivisor: h.LogitsScaling,
	}
	if h.RopeScaling != nil {
		s := layers.RopeScaling(*h.RopeScaling)
		c.RopeScaling = &s
	}
	if len(h.EOS) > 0 {
		c.EOS = h.EOS[0]
	}
	for _, m := range h.Mixers {
		c.Mixers = append(c.Mixers, mixed(h, m))
	}
	return c, renames[h.ModelType], c.Check()
}

// mixed returns the sizes of one layer's mixer.
func mixed(h *hf.Config, m hf.Mixer) layers.Mixed {
	switch m {
	case hf.Mamba2:
		return layers.Mixed{Kind: layers.KindMamba2, Mamba2: &layers.Mamba2Config{
			Heads: h.Mamba.Heads, HeadDim: h.Mamba.HeadDim, Groups: h.Mamba.Groups, State: h.Mamba.State, Conv: h.Mamba.Conv,
			Chunk: min(64, h.Mamba.Chunk), NormEps: h.NormEps, GroupedNorm: h.Mamba.NormPerGroup,
		}}
	case hf.Mamba1: // Apriel repeats x and B in groups of N channels
		return layers.Mixed{Kind: layers.KindMamba1, Mamba1: &layers.Mamba1Config{
			Inner: h.Mamba1.Inner, XB: h.Mamba1.XB, State: h.Mamba1.State, Conv: h.Mamba1.Conv, Rank: h.Mamba1.Rank,
			RepeatGroup: h.Mamba1.State,
		}}
	case hf.Identity:
		return layers.Mixed{Kind: layers.KindIdentity}
	}
	return layers.Mixed{Kind: layers.KindAttention, Full: m == hf.Attention && h.Window > 0}
}

// renames is by model type; the families not here use our names.
var renames = map[string]func(string) string{
	"granitemoehybrid": strings.NewReplacer(".mlp.gate_up_proj.", ".shared_mlp.input_linear.", ".mlp.down_proj.", ".shared_mlp.output_linear.").Replace,
	"mamba2": strings.NewReplacer("model.embed_tokens.", "backbone.embeddings.", "model.norm.", "backbone.norm_f.",
		"model.layers.", "backbone.layers.", ".input_layernorm.", ".norm.", ".mamba.", ".mixer.").Replace,
}

// encodeConfig writes config.json for a model of ours.
func encodeConfig(c *layers.Config) ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return hf.StillhouseConfig(b)
}
