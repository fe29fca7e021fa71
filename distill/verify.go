package distill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"

	"stillhouse/distill/export"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Verification says how far exported files are from what they were made of, over
// a text that the model itself writes. The files are read by the importers
// (configOf, LoadGGUF), which share no names, shapes or orders with package
// export, which writes.
type Verification struct {
	Tokens    int     `json:"tokens"`
	MaxDiff   float64 `json:"max_logit_difference"`
	KL        float64 `json:"kl"`             // KL(original‖exported), nats a token
	Agreement float64 `json:"top1_agreement"` // share of tokens
	Bound     float64 `json:"kl_bound"`       // what the weights' type allows
}

// Passed reports whether the difference is no more than rounding.
func (v *Verification) Passed() bool { return v.KL <= v.Bound } // and not for NaN

func (v *Verification) String() string {
	return fmt.Sprintf("max |Δlogit| %.2g, KL %.2g, top-1 agreement %.1f %% over %d tokens", v.MaxDiff, v.KL, 100*v.Agreement, v.Tokens)
}

// verifyTokens is the length of the text, or the model's longest context.
const verifyTokens = 256

// verifySeed is of that text.
const verifySeed = 42

// verifyExport compares a model with its files in dir.
func verifyExport(p *layers.Pool, m *layers.Model, f *export.Files, dir string) (*Verification, error) {
	source := dir
	if f.Format == export.GGUF {
		source = filepath.Join(dir, f.GGUFName())
	}
	back, err := LoadModel(source)
	if err != nil {
		return nil, fmt.Errorf("read the exported files back: %w", err)
	}
	v, err := compare(p, m, back.Model)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	v.Bound = map[string]float64{"float32": 1e-6, "float16": 1e-4, "bfloat16": 1e-2}[f.DType]
	if f.Inexact {
		v.Bound = max(v.Bound, 1e-3)
	}
	return v, nil
}

// compare measures b against a.
func compare(p *layers.Pool, a, b *layers.Model) (*Verification, error) {
	t := verifyTokens
	if n := a.Config.MaxPositions; n > 0 {
		t = min(t, n)
	}
	batch := layers.NewBatch(1, t, a.Embed.Value.DType())
	batch.IDs.CopyFrom(tensor.From(improvised(p, a, t), t))
	x, err := layers.Logits(p, a, batch)
	if err != nil {
		return nil, err
	}
	y, err := layers.Logits(p, b, batch)
	if err != nil {
		return nil, err
	}
	v := &Verification{Tokens: t}
	for i := range t {
		px, py := x.Rows(i, i+1), y.Rows(i, i+1)
		d := distanceOf(tensor.Data[float32](px), tensor.Data[float32](py))
		v.MaxDiff = max(v.MaxDiff, d.diff) // NaN stays
		v.KL += d.kl / float64(t)
		if d.agree {
			v.Agreement += 1 / float64(t)
		}
	}
	return v, nil
}

// improvised is text that the model writes at temperature 1, where its logits
// are those of its use.
func improvised(p *layers.Pool, m *layers.Model, t int) []int32 {
	r := rand.New(rand.NewPCG(verifySeed, 0))
	ids := []int32{int32(min(max(0, m.Config.BOS), m.Config.VocabSize-1))}
	d := layers.NewDecoder(p, m, 1, t)
	for len(ids) < t {
		ids = append(ids, layers.Sample(d.Extend(ids[len(ids)-1:]), 0, 1, r))
	}
	return ids
}

// rowDistance is how far two rows of logits are apart.
type rowDistance struct {
	diff, kl float64
	agree    bool
}

func distanceOf(x, y []float32) (d rowDistance) {
	zx, ix := logSumExp(x)
	zy, iy := logSumExp(y)
	d.agree = ix == iy
	for i := range x {
		a, b := float64(x[i]), float64(y[i])
		d.diff = max(d.diff, math.Abs(a-b))
		d.kl += math.Exp(a-zx) * ((a - zx) - (b - zy))
	}
	return d
}

// logSumExp returns log Σ exp(x) and where x is largest.
func logSumExp(x []float32) (z float64, at int) {
	for i, v := range x {
		if v > x[at] {
			at = i
		}
	}
	top := float64(x[at])
	for _, v := range x {
		z += math.Exp(float64(v) - top)
	}
	return top + math.Log(z), at
}
