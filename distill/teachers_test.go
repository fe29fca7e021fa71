package distill

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// TestEveryFamilyCanBeATeacher swaps a layer of every golden with attention, by
// every initialiser into every mixer, and takes steps of distillation.
func TestEveryFamilyCanBeATeacher(t *testing.T) {
	taught := 0
	for _, dir := range goldens(t) {
		if _, ok := refused[filepath.Base(dir)]; ok || filepath.Base(dir) == "mamba2" {
			continue
		}
		taught++
		l, err := LoadModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		b := layers.NewBatch(2, 32, tensor.F32)
		for i := range 64 {
			tensor.Data[int32](b.IDs)[i] = int32(i * 7 % l.Model.Config.VocabSize)
			tensor.Data[float32](b.Weight)[i] = 1.0 / 64
		}
		cal, err := calibration(nil, l.Model, b, 1, func(int, *layers.Batch) error { return nil }, attentionOf(&l.Model.Config)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range []MixerSpec{
			{Kind: layers.KindMamba2, Init: InitMIL}, {Kind: layers.KindMamba2, Init: InitMILFit}, {Kind: layers.KindMamba2, Init: InitMILFit, Groups: 1},
			{Kind: layers.KindMamba1, Init: InitMIL}, {Kind: layers.KindMamba1, Init: InitMILFit},
		} {
			first, last := teach(t, l.Model, spec, cal, b)
			if !(last < first) || math.IsNaN(last) {
				t.Errorf("%s: %s by %s: eight steps take the loss from %v to %v", dir, spec.Kind, spec.Init, first, last)
			}
		}
	}
	if taught < 10 {
		t.Errorf("%d families taught, want at least ten", taught)
	}
}

// teach swaps the last attention layer, trains it alone and returns the first and
// last loss.
func teach(t *testing.T, teacher *layers.Model, spec MixerSpec, cal Calibrate, b *layers.Batch) (first, last float64) {
	t.Helper()
	student, l := teacher.Share(), 0
	for i, m := range teacher.Config.Mixers {
		if m.Kind == layers.KindAttention {
			l = i
		}
	}
	if _, err := Swap(nil, student, l, spec, 1, cal); err != nil {
		t.Fatal(err)
	}
	var train []layers.Trainable
	for _, p := range student.Blocks[l].Mixer.Params() {
		train = append(train, layers.Trainable{Param: p, LRScale: 1})
	}
	opt := layers.NewAdamW(nil, layers.AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}, train)
	step, err := layers.NewStep(nil, layers.StepConfig{Student: student, Teacher: teacher, Batch: b, Grad: opt.Grad,
		Objective: layers.Objective{{Type: layers.ReverseKL, Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer step.Close()
	for k := range 9 {
		opt.ZeroGrad()
		if err := step.Run(); err != nil {
			t.Fatal(err)
		}
		if last = step.Loss(); k == 0 {
			first = last
		}
		opt.Step(1e-4, opt.GradNorm(), 1) // a fitted mixer starts close: larger steps would only overshoot
	}
	return first, last
}

func TestWhatATransferLeavesBehindIsSaid(t *testing.T) {
	for name, want := range map[string]int{"llama-gqa": 0, "qwen2": 1, "qwen3": 1, "mistral-window": 1} {
		l, err := LoadModel(filepath.Join("testdata/goldens", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := (MixerSpec{Kind: layers.KindMamba1, Init: InitMIL}).leavesBehind(l.Model, 0); len(got) != want {
			t.Errorf("%s: got %q, want %d", name, got, want)
		}
		if got := (MixerSpec{Kind: layers.KindMamba1, Init: InitRandom}).leavesBehind(l.Model, 0); got != nil {
			t.Errorf("%s: random weights leave %q behind", name, got)
		}
	}
}

// TestATeacherInSeveralFilesIsTheSameTeacher deals a golden's weights out to two
// files under an index.
func TestATeacherInSeveralFilesIsTheSameTeacher(t *testing.T) {
	one, err := LoadModel("testdata/goldens/qwen3-bias-types")
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open("testdata/goldens/qwen3-bias-types/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dir := t.TempDir()
	files, where := []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"}, map[string]string{}
	parts := make([][]safetensors.Named, 2)
	for i, name := range f.Names() {
		parts[i%2] = append(parts[i%2], safetensors.Named{Name: name, Tensor: read(t, f, name)})
		where[name] = files[i%2]
	}
	for i, p := range parts {
		var b bytes.Buffer
		if err := safetensors.Write(&b, p, nil); err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(dir, files[i]), b.Bytes())
	}
	index, err := json.Marshal(map[string]any{"weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, hf.IndexFile), index)
	config, err := os.ReadFile("testdata/goldens/qwen3-bias-types/config.json")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, hf.ConfigFile), config)
	two, err := LoadModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range two.Model.Params() {
		if !tensor.Equal(p.Value, one.Model.Params()[i].Value) {
			t.Errorf("%s differs", p.Name)
		}
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
}
