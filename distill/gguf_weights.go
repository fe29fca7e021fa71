package distill

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"stillhouse/checkpoints/gguf"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// ggufNames are the file's names of what stands once in a model.
var ggufNames = map[string]string{
	"model.embed_tokens.weight": "token_embd.weight",
	"model.norm.weight":         "output_norm.weight",
	"lm_head.weight":            "output.weight",
}

// ggufLayerNames are the file's names of a layer's weights, behind blk.N.
var ggufLayerNames = map[string]string{
	"input_layernorm.weight":          "attn_norm.weight",
	"post_attention_layernorm.weight": "ffn_norm.weight",
	"self_attn.q_proj.weight":         "attn_q.weight",
	"self_attn.k_proj.weight":         "attn_k.weight",
	"self_attn.v_proj.weight":         "attn_v.weight",
	"self_attn.o_proj.weight":         "attn_output.weight",
	"self_attn.q_proj.bias":           "attn_q.bias",
	"self_attn.k_proj.bias":           "attn_k.bias",
	"self_attn.v_proj.bias":           "attn_v.bias",
	"self_attn.o_proj.bias":           "attn_output.bias",
	"mlp.gate_proj.weight":            "ffn_gate.weight",
	"mlp.up_proj.weight":              "ffn_up.weight",
	"mlp.down_proj.weight":            "ffn_down.weight",
	"mlp.gate_proj.bias":              "ffn_gate.bias",
	"mlp.up_proj.bias":                "ffn_up.bias",
	"mlp.down_proj.bias":              "ffn_down.bias",
	"mamba.in_proj.weight":            "ssm_in.weight",
	"mamba.conv1d.weight":             "ssm_conv1d.weight",
	"mamba.conv1d.bias":               "ssm_conv1d.bias",
	"mamba.dt_bias":                   "ssm_dt.bias",
	"mamba.A_log":                     "ssm_a",
	"mamba.D":                         "ssm_d",
	"mamba.norm.weight":               "ssm_norm.weight",
	"mamba.out_proj.weight":           "ssm_out.weight",
}

// loadGGUFWeights fills a model from a file, which must hold all of its weights
// and nothing else.
func loadGGUFWeights(m *layers.Model, f *gguf.File) error {
	var problems []error
	used := map[string]bool{ropeFactors: m.Config.RopeScaling != nil}
	for _, w := range m.Named() {
		name, layer := ggufName(w.Name)
		used[name] = true
		if err := loadGGUFWeight(w, f, name, layer, &m.Config); err != nil {
			problems = append(problems, err)
		}
	}
	for _, info := range f.Infos() {
		if !used[info.Name] {
			problems = append(problems, fmt.Errorf("%s %v%v belongs to nothing in the model", info.Name, info.Type, info.Shape))
		}
	}
	if n := len(problems); n > 5 {
		problems = append(problems[:5], fmt.Errorf("and %d more", n-5))
	}
	return errors.Join(problems...)
}

// ggufName returns the file's name of a weight, and its layer's number.
func ggufName(name string) (string, int) {
	if n, ok := ggufNames[name]; ok {
		return n, -1
	}
	number, rest, _ := strings.Cut(strings.TrimPrefix(name, "model.layers."), ".")
	layer, err := strconv.Atoi(number)
	own, ok := ggufLayerNames[rest]
	if err != nil || !ok {
		panic(fmt.Sprintf("distill: LoadGGUF: no name for weight %s", name))
	}
	return fmt.Sprintf("blk.%d.%s", layer, own), layer
}

// loadGGUFWeight reads one tensor into a weight.
func loadGGUFWeight(w layers.Named, f *gguf.File, name string, layer int, c *layers.Config) error {
	info, ok := f.Info(name)
	if !ok {
		return fmt.Errorf("%s is missing", name)
	}
	if want := ggufShape(w, layer, c); !sameDims(info.Shape, want) {
		return fmt.Errorf("%s has shape %v, want %v", name, info.Shape, want)
	}
	t, err := f.Read(name)
	if err != nil {
		return err
	}
	src, dst := tensor.Data[float32](t), tensor.Data[float32](w.Value)
	switch {
	case strings.Contains(w.Name, "q_proj."), strings.Contains(w.Name, "k_proj."):
		unpair(dst, src, c.HeadDim, w.Value.Size()/w.Value.Dim(0))
	case strings.HasSuffix(w.Name, ".A_log"):
		for i, a := range src {
			if !(a < 0) || math.IsInf(float64(a), 0) {
				return fmt.Errorf("%s: head %d has A = %v, want a negative number", name, i, a)
			}
			dst[i] = float32(math.Log(-float64(a)))
		}
	default:
		copy(dst, src)
	}
	return nil
}

// ggufShape returns the shape that a weight has in the file.
func ggufShape(w layers.Named, layer int, c *layers.Config) []int {
	shape := w.Value.Shape()
	switch {
	case strings.HasSuffix(w.Name, ".mamba.A_log"), strings.HasSuffix(w.Name, ".mamba.D"):
		return append(slices.Clone(shape), 1)
	case strings.HasSuffix(w.Name, ".mamba.conv1d.weight"):
		return []int{shape[0], shape[2]}
	case strings.HasSuffix(w.Name, ".mamba.norm.weight"):
		g := c.Mixers[layer].Mamba2.Groups
		return []int{g, shape[0] / g}
	}
	return shape
}

// sameDims compares shapes as ggml does, to which leading ones are nothing.
func sameDims(a, b []int) bool {
	trim := func(s []int) []int {
		for len(s) > 0 && s[0] == 1 {
			s = s[1:]
		}
		return s
	}
	return slices.Equal(trim(a), trim(b))
}

// unpair undoes llama.cpp's order of a query's or key's rows, in which the two
// numbers that one angle turns are neighbours: row 2j+s of a head of p is row
// s·p/2+j here.
func unpair(dst, src []float32, p, width int) {
	for row := range len(src) / width {
		head, i := row/p*p, row%p
		at := head + i%2*p/2 + i/2
		copy(dst[at*width:][:width], src[row*width:][:width])
	}
}
