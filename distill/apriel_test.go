package distill

import (
	"bytes"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// aprielFolder writes a tiny hybrid in Apriel-H1's layout: E = 8, XB = 4, N = 2.
func aprielFolder(t *testing.T, mixers ...hf.Mixer) string {
	t.Helper()
	c := &hf.Config{ModelType: "apriel_ssm_thinker_hybrid", VocabSize: 11, HiddenSize: 6, Intermediate: 5, Mixers: mixers, NormEps: 1e-5,
		MaxPositions: 64, BOS: 1, EOS: []int{2}, Mamba1: &hf.Mamba1Config{Inner: 8, XB: 4, State: 2, Conv: 4, Rank: 3}}
	for _, m := range mixers {
		if m == hf.Attention {
			c.Heads, c.KVHeads, c.HeadDim, c.RopeTheta = 4, 2, 2, 1e6
		}
	}
	config, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	var named []safetensors.Named
	for _, w := range c.Weights() {
		x := tensor.New(tensor.F32, w.Shape...)
		for i := range tensor.Data[float32](x) {
			tensor.Data[float32](x)[i] = float32(0.6 * r.NormFloat64())
		}
		named = append(named, safetensors.Named{Name: w.Name, Tensor: x})
	}
	dir := filepath.Join(t.TempDir(), "apriel")
	if err := hf.Save(dir, hf.Export{Config: config, Weights: named}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// apriel computes logits from the folder's file by its definition, with the
// places that channels are repeated from written out for E = 8, XB = 4, N = 2:
// two groups of N channels of x, and of B, each twice in a row.
func apriel(t *testing.T, dir string, ids []int32) (logits [][]float64) {
	f, err := safetensors.Open(filepath.Join(dir, hf.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := func(name string) []float64 { return numbers(read(t, f, name)) }
	times := func(name string, x []float64) (y []float64) {
		m := w(name)
		for ; len(m) > 0; m = m[len(x):] {
			sum := 0.0
			for i, v := range x {
				sum += m[i] * v
			}
			y = append(y, sum)
		}
		return y
	}
	norm := func(name string, x []float64) (y []float64) {
		sum := 0.0
		for _, v := range x {
			sum += v * v
		}
		for i, v := range x {
			y = append(y, v*w(name)[i]/math.Sqrt(sum/float64(len(x))+1e-5))
		}
		return y
	}
	silu := func(v float64) float64 { return v / (1 + math.Exp(-v)) }
	source := []int{0, 1, 0, 1, 2, 3, 2, 3}             // of x's channel e
	bSource := [][]int{{0, 1}, {0, 1}, {2, 3}, {2, 3}}  // of head h's B
	cSource := [][]int{{0, 1}, {2, 3}, {4, 5}, {6, 7}}  // of head h's C
	state, past := make([][2]float64, 8), [][]float64{} // past: x repeated, before the convolution
	taps, tapBias := w("model.layers.0.mixer.conv1d.weight"), w("model.layers.0.mixer.conv1d.bias")
	aLog, skip, dtBias := w("model.layers.0.mixer.A_log"), w("model.layers.0.mixer.D"), w("model.layers.0.mixer.dt_proj.bias")
	for _, id := range ids {
		x := append([]float64(nil), w("model.embed_tokens.weight")[int(id)*6:][:6]...)
		u := norm("model.layers.0.input_layernorm.weight", x)
		proj := times("model.layers.0.mixer.in_proj.weight", u)
		z, xs, bs, cs := proj[:8], proj[8:12], proj[12:16], proj[16:24]
		dt := times("model.layers.0.mixer.dt_proj.weight", times("model.layers.0.mixer.dt_in_proj.weight", u))
		var repeated, y []float64
		for _, s := range source {
			repeated = append(repeated, xs[s])
		}
		past = append(past, repeated)
		for e := range 8 {
			v := tapBias[e]
			for k := range 4 { // the last tap is the token's own
				if at := len(past) - 4 + k; at >= 0 {
					v += taps[e*4+k] * past[at][e]
				}
			}
			v = silu(v)
			delta := math.Log1p(math.Exp(dt[e] + dtBias[e]))
			out := skip[e] * v
			for n := range 2 {
				a := -math.Exp(aLog[e*2+n])
				state[e][n] = math.Exp(delta*a)*state[e][n] + delta*v*bs[bSource[e/2][n]]
				out += state[e][n] * cs[cSource[e/2][n]]
			}
			y = append(y, out*silu(z[e]))
		}
		for i, v := range times("model.layers.0.mixer.out_proj.weight", y) {
			x[i] += v
		}
		u = norm("model.layers.0.post_attention_layernorm.weight", x)
		up := times("model.layers.0.mlp.up_proj.weight", u)
		for i, v := range times("model.layers.0.mlp.gate_proj.weight", u) {
			up[i] *= silu(v)
		}
		for i, v := range times("model.layers.0.mlp.down_proj.weight", up) {
			x[i] += v
		}
		logits = append(logits, times("lm_head.weight", norm("model.norm.weight", x)))
	}
	return logits
}

// TestAnAprielCheckpointGivesTheLogitsOfItsDefinition: one m2 layer and one
// identity layer, which adds nothing.
func TestAnAprielCheckpointGivesTheLogitsOfItsDefinition(t *testing.T) {
	dir := aprielFolder(t, hf.Mamba1, hf.Identity)
	l, err := LoadModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	if s := l.Model.Config.Strip(); s != "MI" {
		t.Errorf("got layers %s", s)
	}
	ids := []int32{3, 1, 4, 1, 5, 9, 2, 6}
	b := layers.NewBatch(1, len(ids), tensor.F64)
	copy(tensor.Data[int32](b.IDs), ids)
	got, err := layers.Logits(nil, retyped(t, l.Model, tensor.F64), b)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range apriel(t, dir, ids) {
		for i, v := range want {
			if g := tensor.Data[float64](got)[at*11+i]; math.Abs(g-v) > 1e-12 {
				t.Fatalf("position %d, token %d: got %v, want %v", at, i, g, v)
			}
		}
	}
}

// TestAnAprielHybridTrainsAndDecodes: attention, m2 and identity together.
func TestAnAprielHybridTrainsAndDecodes(t *testing.T) {
	l, err := LoadModel(aprielFolder(t, hf.Attention, hf.Mamba1, hf.Identity, hf.Mamba1))
	if err != nil {
		t.Fatal(err)
	}
	m := retyped(t, l.Model, tensor.F64)
	ids := []int32{3, 1, 4, 1, 5, 9, 2, 6, 5, 3}
	b := layers.NewBatch(1, len(ids), tensor.F64)
	copy(tensor.Data[int32](b.IDs), ids)
	for i := range ids {
		tensor.Data[int32](b.Labels)[i] = ids[(i+1)%len(ids)]
		tensor.Data[float64](b.Weight)[i] = 0.1
	}
	full, err := layers.Logits(nil, m, b)
	if err != nil {
		t.Fatal(err)
	}
	d := layers.NewDecoder(nil, m, 1, len(ids))
	for at, id := range ids {
		for i, v := range tensor.Data[float64](d.Extend([]int32{id})) {
			if want := tensor.Data[float64](full)[at*11+i]; math.Abs(v-want) > 1e-11 {
				t.Fatalf("position %d: decoded %v, want %v", at, v, want)
			}
		}
	}
	opt := layers.NewAdamW(nil, layers.AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}, everything(m))
	step, err := layers.NewStep(nil, layers.StepConfig{Student: m, Batch: b, Grad: opt.Grad, Objective: layers.Objective{{Type: layers.CrossEntropy, Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer step.Close()
	var losses []float64
	for range 20 {
		opt.ZeroGrad()
		if err := step.Run(); err != nil {
			t.Fatal(err)
		}
		losses = append(losses, step.Loss())
		opt.Step(1e-2, opt.GradNorm(), 1)
	}
	if !(losses[19] < 0.8*losses[0]) {
		t.Errorf("twenty steps took the loss from %v to %v", losses[0], losses[19])
	}
}

// TestEveryFeatureSurvivesOurOwnFolder: what the families have beside Llama is
// in a folder of ours too.
func TestEveryFeatureSurvivesOurOwnFolder(t *testing.T) {
	for _, dir := range append(goldens(t), aprielFolder(t, hf.Attention, hf.Mamba1, hf.Identity)) {
		if _, ok := refused[filepath.Base(dir)]; ok {
			continue
		}
		l, err := LoadModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		config, err := encodeConfig(&l.Model.Config)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "ours")
		if err := hf.Save(out, hf.Export{Config: config, Weights: Named(l.Model, "")}); err != nil {
			t.Fatal(err)
		}
		again, err := LoadModel(out)
		if err != nil {
			t.Errorf("%s: %v", dir, err)
			continue
		}
		b := layers.NewBatch(1, 40, tensor.F32)
		for i := range 40 {
			tensor.Data[int32](b.IDs)[i] = int32(i * 7 % l.Model.Config.VocabSize)
		}
		x, err1 := layers.Logits(nil, l.Model, b)
		y, err2 := layers.Logits(nil, again.Model, b)
		if err1 != nil || err2 != nil || !tensor.Equal(x, y) {
			t.Errorf("%s: other logits out of our own folder: %v %v", dir, err1, err2)
		}
		if before, _ := encodeConfig(&again.Model.Config); !bytes.Equal(before, config) {
			t.Errorf("%s: written twice: %s and %s", dir, config, before)
		}
	}
}
