package distill

import (
	"math"
	"slices"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

func TestASwapChangesTheMixerAndNothingElse(t *testing.T) {
	teacher := small(t, "aaa", tensor.F32, nil)
	for _, kind := range []layers.Kind{layers.KindMamba2, layers.KindMamba1} {
		before := snapshot(teacher)
		student := hybrid(t, teacher, MixerSpec{Kind: kind, Init: InitMIL}, 1)
		if got, want := student.Config.Strip(), "AMA"; got != want || teacher.Config.Strip() != "AAA" {
			t.Errorf("%s: the student is %s, the teacher %s", kind, got, teacher.Config.Strip())
		}
		for name, w := range snapshot(student) {
			old, known := before[name]
			if mixer := strings.HasPrefix(name, "model.layers.1.m") && !strings.Contains(name, ".mlp."); mixer == known {
				t.Errorf("%s: %s should be the mixer's alone", kind, name)
			}
			if known && !slices.Equal(w, old) {
				t.Errorf("%s: %s changed", kind, name)
			}
		}
		for name, w := range snapshot(teacher) {
			if !slices.Equal(w, before[name]) {
				t.Errorf("%s: the teacher's %s changed", kind, name)
			}
		}
	}
}

func TestALayerIsSwappedOnce(t *testing.T) {
	student := hybrid(t, small(t, "aa", tensor.F32, nil), milMamba2, 1)
	if _, err := Swap(nil, student, 1, milMamba2, 1, nil); err == nil || !strings.Contains(err.Error(), "layer 1 is not attention") {
		t.Errorf("got %v", err)
	}
}

// TestFreshWeightsDependOnSeedAndLayerAlone, not on what else is swapped.
func TestFreshWeightsDependOnSeedAndLayerAlone(t *testing.T) {
	teacher := small(t, "aaa", tensor.F32, nil)
	for _, init := range []Init{InitMIL, InitRandom} {
		draw := func(seed uint64, ls ...int) []float64 {
			s := teacher.Share()
			for _, l := range ls {
				if _, err := Swap(nil, s, l, MixerSpec{Kind: layers.KindMamba2, Init: init}, seed, nil); err != nil {
					t.Fatal(err)
				}
			}
			return snapshot(s)["model.layers.2.mamba.conv1d.weight"]
		}
		if !slices.Equal(draw(7, 2), draw(7, 0, 1, 2)) {
			t.Errorf("%s: other swaps change the weights", init)
		}
		if slices.Equal(draw(7, 2), draw(8, 2)) {
			t.Errorf("%s: the seed changes nothing", init)
		}
	}
}

func TestSizesThatTheTransferCannotFillAreRefused(t *testing.T) {
	teacher := small(t, "aa", tensor.F32, nil)
	spec := MixerSpec{Kind: layers.KindMamba2, Init: InitMIL, State: 16}
	if _, err := Swap(nil, teacher.Share(), 1, spec, 1, nil); err == nil || !strings.Contains(err.Error(), "layer 1: weight transfer wants 4 heads") || !strings.Contains(err.Error(), "init: random") {
		t.Errorf("got %v", err)
	}
	spec.Init = InitRandom
	if _, err := Swap(nil, teacher.Share(), 1, spec, 1, nil); err != nil {
		t.Errorf("init random is refused: %v", err)
	}
}

func TestASpecOverridesOnlyTheSizesItGives(t *testing.T) {
	c := &small(t, "a", tensor.F32, nil).Config
	m2 := MixerSpec{Kind: layers.KindMamba2, GroupedNorm: true, Conv: 3, Groups: 1}.mixed(c).Mamba2
	if want := (layers.Mamba2Config{Heads: 4, HeadDim: 8, Groups: 1, State: 8, Conv: 3, Chunk: 64, GroupedNorm: true, NormEps: 1e-6}); *m2 != want {
		t.Errorf("got %+v, want %+v", *m2, want)
	}
	m2 = MixerSpec{Kind: layers.KindMamba2, Heads: 2, HeadDim: 16, State: 32}.mixed(c).Mamba2
	if want := (layers.Mamba2Config{Heads: 2, HeadDim: 16, Groups: 2, State: 32, Conv: 4, Chunk: 64, NormEps: 1e-6}); *m2 != want {
		t.Errorf("got %+v, want %+v", *m2, want)
	}
	m1 := MixerSpec{Kind: layers.KindMamba1, State: 4, Rank: 3, Conv: 2}.mixed(c).Mamba1
	if want := (layers.Mamba1Config{Inner: 32, XB: 16, State: 4, Conv: 2, Rank: 3, RepeatGroup: 8}); *m1 != want {
		t.Errorf("got %+v, want %+v", *m1, want)
	}
	if m1 = (MixerSpec{Kind: layers.KindMamba1, Init: InitMILReference, State: 4}).mixed(c).Mamba1; m1.RepeatGroup != 4 {
		t.Errorf("the published order repeats groups of %d, want those of the state, 4", m1.RepeatGroup)
	}
}

// TestCalibrationHoldsTheTeachersMixersOnEveryBatch: what mil-fit reads, and that
// its residuals are shares of what there was to explain.
func TestCalibrationHoldsTheTeachersMixersOnEveryBatch(t *testing.T) {
	teacher := small(t, "aa", tensor.F32, nil)
	fill := randomRows(nil)
	b := layers.NewBatch(2, 12, tensor.F32)
	cal, err := calibration(nil, teacher, b, 4, func(i int, b *layers.Batch) error { return fill(int64(2*i), b) }, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for l := range teacher.Blocks {
		c, err := cal(l)
		if err != nil || len(c.In) != 4 || len(c.Out) != 4 || len(c.Start) != 4 {
			t.Fatalf("layer %d: %d inputs, %d outputs, %d starts, %v", l, len(c.In), len(c.Out), len(c.Start), err)
		}
		if tensor.Equal(c.In[0], c.In[1]) {
			t.Errorf("layer %d: two batches have the same inputs", l)
		}
		for _, kind := range []layers.Kind{layers.KindMamba2, layers.KindMamba1} {
			fit, err := Swap(nil, teacher.Share(), l, MixerSpec{Kind: kind, Init: InitMILFit}, 1, cal)
			if err != nil {
				t.Fatal(err)
			}
			if !(fit.Gate >= -1e-9 && fit.Gate < 1 && fit.Output >= -1e-9 && fit.Output < 1) || math.IsNaN(fit.Output) {
				t.Errorf("layer %d: the fit of a %s leaves %+v", l, kind, *fit)
			}
		}
	}
}
