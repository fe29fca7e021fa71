package distill

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/distill/export"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// mixture is a random model whose every weight counts: a letter a layer, A for
// attention, M for the Mamba that the change leaves in place, I for none.
func mixture(t *testing.T, letters string, change func(c *layers.Config, m *layers.Mamba2Config, m1 *layers.Mamba1Config)) *layers.Model {
	t.Helper()
	c := layers.Config{VocabSize: 37, HiddenSize: 32, Intermediate: 24, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 1e4, NormEps: 1e-5, MaxPositions: 128, BOS: 1, EOS: 2}
	m2, m1, kind := layers.Mamba2For(&c), layers.Mamba1For(&c), layers.KindMamba2
	m2.Chunk = 16
	if change != nil {
		change(&c, &m2, &m1)
	}
	if strings.Contains(letters, "1") {
		kind = layers.KindMamba1
	}
	for _, l := range letters {
		switch l {
		case 'A':
			c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
		case 'I':
			c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindIdentity})
		default:
			x := layers.Mixed{Kind: kind}
			if kind == layers.KindMamba1 {
				x.Mamba1 = &m1
			} else {
				x.Mamba2 = &m2
			}
			c.Mixers = append(c.Mixers, x)
		}
	}
	m, err := layers.New(c, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(3)
	r := rand.New(rand.NewPCG(4, 4))
	for _, p := range m.Params() {
		for i, d := 0, tensor.Data[float32](p.Value); i < len(d); i++ {
			d[i] += float32(0.2 * r.NormFloat64())
		}
	}
	return m
}

// TestWhatIsExportedComputesTheSame writes models of every kind that a format can
// hold and reads them back by the importers.
func TestWhatIsExportedComputesTheSame(t *testing.T) {
	type config = layers.Config
	type two = layers.Mamba2Config
	type one = layers.Mamba1Config
	grouped := func(_ *config, m *two, _ *one) { m.GroupedNorm = true }
	for _, c := range []struct {
		name    string
		m       *layers.Model
		o       export.Options
		inexact bool
	}{
		{"norm full", mixture(t, "AMAM", nil), export.Options{Format: export.Granite}, false},
		{"norm grouped", mixture(t, "MAMA", grouped), export.Options{Format: export.Granite}, false},
		{"one group, all Mamba", mixture(t, "MM", func(_ *config, m *two, _ *one) { m.Groups = 1 }), export.Options{Format: export.Granite}, false},
		{"attention alone, tied, with biases", mixture(t, "AA", func(c *config, _ *two, _ *one) { c.Tied, c.QKVBias, c.OutBias = true, true, true }), export.Options{Format: export.Granite}, false},
		{"biases of q, k and v alone", mixture(t, "AM", func(c *config, _ *two, _ *one) { c.QKVBias = true }), export.Options{Format: export.Granite}, false},
		{"multipliers", mixture(t, "AM", func(c *config, _ *two, _ *one) {
			c.Scale, c.EmbedScale, c.ResidualScale, c.LogitsDivisor = 0.3, 2, 0.5, 1.5
		}), export.Options{Format: export.Granite}, false},
		{"no positions", mixture(t, "AM", func(c *config, _ *two, _ *one) { c.RopeTheta = 0 }), export.Options{Format: export.Granite}, false},
		{"idle query heads", mixture(t, "AMA", func(c *config, m *two, _ *one) { c.HiddenSize, m.GroupedNorm = 48, true; m.Heads, m.Groups = 6, 6 }), export.Options{Format: export.Granite}, false},
		{"Mamba filled up with zeros per group", mixture(t, "AM", func(c *config, m *two, _ *one) { m.GroupedNorm = true; m.Heads, m.Groups = 6, 3 }), export.Options{Format: export.Granite}, false},
		{"Mamba filled up under one norm", mixture(t, "AM", func(c *config, m *two, _ *one) { m.Heads, m.Groups = 6, 1 }), export.Options{Format: export.Granite}, true},
		{"Mamba filled up with a copy under one norm", mixture(t, "AM", func(c *config, m *two, _ *one) { m.Heads, m.Groups = 2, 2 }), export.Options{Format: export.Granite}, false},
		{"a window as long as the context", mixture(t, "AM", func(c *config, _ *two, _ *one) { c.Window, c.MaxPositions = 64, 64 }), export.Options{Format: export.Granite}, false},
		{"rotary scaling", mixture(t, "AM", func(c *config, _ *two, _ *one) {
			c.RopeScaling = &layers.RopeScaling{Type: layers.RopeLlama3, Factor: 4, LowFactor: 1, HighFactor: 4, OriginalPositions: 32}
		}), export.Options{Format: export.Granite}, false},
		{"heads aligned", mixture(t, "A1A1", func(_ *config, _ *two, m *one) { m.State = 2 }), export.Options{Format: export.Apriel}, false},
		{"heads in the published order", mixture(t, "1A", func(_ *config, _ *two, m *one) { m.State, m.RepeatGroup = 4, 4 }), export.Options{Format: export.Apriel}, false},
		{"layers that are not there", mixture(t, "AI1", nil), export.Options{Format: export.Apriel}, false},
		{"norm grouped", mixture(t, "AMMA", grouped), export.Options{Format: export.GGUF}, false},
		{"one group, of twice the width", mixture(t, "MA", func(_ *config, m *two, _ *one) { m.Heads, m.Groups = 8, 1 }), export.Options{Format: export.GGUF}, false},
		{"one group, copied", mixture(t, "MA", func(_ *config, m *two, _ *one) { m.Groups = 1 }), export.Options{Format: export.GGUF}, false},
		{"groups of zeros", mixture(t, "MA", func(_ *config, m *two, _ *one) { m.GroupedNorm = true; m.Heads, m.Groups = 6, 3 }), export.Options{Format: export.GGUF}, false},
		{"biases, multipliers, tied, rotary scaling", mixture(t, "AM", func(c *config, m *two, _ *one) {
			m.Groups, c.QKVBias, c.OutBias, c.MLPBias, c.Tied = 1, true, true, true, true
			c.Scale, c.EmbedScale, c.ResidualScale, c.LogitsDivisor = 0.3, 2, 0.5, 1.5
			c.RopeScaling = &layers.RopeScaling{Type: layers.RopeLlama3, Factor: 4, LowFactor: 1, HighFactor: 4, OriginalPositions: 32}
		}), export.Options{Format: export.GGUF}, false},
		{"attention alone", mixture(t, "AAA", func(c *config, _ *two, _ *one) { c.QKVBias = true }), export.Options{Format: export.GGUF}, false},
	} {
		for _, dtype := range export.DTypes() {
			o := ExportOptions{Options: c.o, Verify: true, Version: "v0"}
			o.DType = dtype
			dir := filepath.Join(t.TempDir(), "out")
			x, err := Export(nil, &Loaded{Model: c.m, Source: c.name}, dir, o)
			if err != nil {
				t.Errorf("%s as %s in %s: %v", c.name, c.o.Format, dtype, err)
				continue
			}
			if v := x.Verification; dtype == "float32" && !c.inexact && (v.MaxDiff > 1e-4 || v.Agreement < 1) {
				t.Errorf("%s as %s: %v", c.name, c.o.Format, v)
			}
			if c.inexact != (len(x.Notes) > 1 && strings.Contains(x.Notes[1], "epsilon")) {
				t.Errorf("%s as %s: notes %q", c.name, c.o.Format, x.Notes)
			}
		}
	}
}

func TestAnExportThatComputesSomethingElseIsNotVerified(t *testing.T) {
	m := mixture(t, "AMAM", nil)
	f, err := export.Prepare(export.Source{Model: m, Name: "out"}, export.Options{DType: "float32"})
	if err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "whole")
	if err := f.Save(whole, nil); err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Open(filepath.Join(whole, hf.WeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	config, err := os.ReadFile(filepath.Join(whole, hf.ConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, changed := range append(file.Names(), "config") {
		var named []safetensors.Named
		for _, n := range file.Names() {
			x, err := file.Read(n)
			if err != nil {
				t.Fatal(err)
			}
			if d := tensor.Data[float32](x); n == changed { // a reader that takes the last entry for the first
				d[0], d[len(d)-1] = d[len(d)-1]+0.5, d[0]-0.5
			}
			named = append(named, safetensors.Named{Name: n, Tensor: x})
		}
		c := config
		if changed == "config" { // the norm's convention, which no weight shows
			c = []byte(strings.Replace(string(config), `"stillhouse_norm": "full"`, `"stillhouse_norm": "grouped"`, 1))
		}
		dir := filepath.Join(t.TempDir(), "x")
		if err := hf.Save(dir, hf.Export{Config: c, Weights: named}); err != nil {
			t.Fatal(err)
		}
		v, err := verifyExport(nil, m, f, dir)
		if err != nil {
			t.Fatal(err)
		}
		if v.Passed() {
			t.Errorf("%s is changed and passes: %v", changed, v)
		}
	}
}

func TestAVerificationOfNoNumberDoesNotPass(t *testing.T) {
	if v := (&Verification{KL: math.NaN(), Bound: 1}); v.Passed() {
		t.Errorf("%v passes", v)
	}
}

func TestARefusedExportLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	o := ExportOptions{Options: export.Options{Format: export.GGUF, DType: "float32"}, Verify: true}
	if _, err := Export(nil, &Loaded{Model: mixture(t, "AM", nil), Source: "m"}, dir, o); !errors.Is(err, export.ErrRefused) || exists(dir) {
		t.Errorf("got %v", err)
	}
}

// TestARunExportsWhatItsRecipeAsks: the tiny run with an export ends in files
// that load, with a card that has its numbers.
func TestARunExportsWhatItsRecipeAsks(t *testing.T) {
	r := tinyRecipe(t, "export.format=granitemoehybrid")
	res, err := Run(t.Context(), r, Options{Version: "v0"})
	if err != nil {
		t.Fatal(err)
	}
	x := res.Export
	if x == nil || x.Verification == nil || !x.Verification.Passed() {
		t.Fatalf("got %+v", x)
	}
	l, err := LoadModel(x.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if l.Tokenizer == nil || l.Model.Config.Strip() != x.Layers {
		t.Errorf("got %s, want %s with a tokenizer", l.Model.Config.Strip(), x.Layers)
	}
	card, err := os.ReadFile(filepath.Join(x.Dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{x.Layers, "| stage-1 |", "stillhouse v0", "mamba_layers:", "from_pretrained"} {
		if !strings.Contains(string(card), want) {
			t.Errorf("the card lacks %q:\n%s", want, card)
		}
	}
	if again, err := ReadResult(r.OutputDir); err != nil || again.Export == nil || again.Export.Layers != x.Layers {
		t.Errorf("read back: %+v, %v", again, err)
	}
}

func TestARecipeWhoseStudentCannotBeExportedIsRefusedBeforeItTrains(t *testing.T) {
	r := tinyRecipe(t, "export.format=granitemoehybrid", "student.mixer.heads=1", "student.mixer.head_dim=3", "student.mixer.init=random")
	_, err := Run(t.Context(), r, Options{})
	if !errors.Is(err, export.ErrRefused) {
		t.Errorf("got %v", err)
	}
	if rep, err := ReadReport(r.OutputDir); err != nil || len(rep.Events) > 0 {
		t.Errorf("it has done something already: %v, %v", rep, err)
	}
}
