package distill

import (
	"math"
	"slices"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

func TestTheCostModelIsMeasuredWithoutNegativeParts(t *testing.T) {
	teacher := small(t, "aaaa", tensor.F32, func(c *layers.Config) { c.HiddenSize, c.Intermediate, c.MaxPositions = 64, 32, 4096 })
	for _, prefill := range []bool{false, true} {
		c, err := MeasureCost(nil, teacher, milMamba2, Budget{Context: 512, Prefill: prefill})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("prefill %v: %+v", prefill, *c)
		if c.Context != 512 || !(c.Attention > 0) || !(c.Mamba >= 0) || !(c.Rest > 0) || math.IsInf(c.Rest, 0) {
			t.Errorf("got %+v", *c)
		}
	}
	if teacher.Config.Strip() != "AAAA" {
		t.Error("measuring changed the teacher")
	}
}

// TestTheMemoryForecastIsOfTheLargestPhase, whose parts are those of its trainer.
func TestTheMemoryForecastIsOfTheLargestPhase(t *testing.T) {
	r, err := recipes.Load("tiny", []string{"importance.method=uniform", "plan.rescore=null", "student.mixer.init=mil", "plan.mamba_layers=[1, 2]", "train.warmup_steps=0", "phases=[{name: a, trainable: all, max_steps: 1, sequence_len: 32}, {name: b, trainable: all, max_steps: 1, per_device_train_batch_size: 5, sequence_len: 64}]"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := forecastOf(t, r)
	i := slices.IndexFunc(f.steps, func(s trainingStep) bool { return s.name == "stage 2 b" }) // 2 Mamba layers have more in them than 1
	if i < 0 {
		t.Fatalf("no stage 2 b in %+v", f.steps)
	}
	want, err := planTrainer(2, f.steps[i].teacher, f.steps[i].student, f.steps[i].phase)
	if err != nil {
		t.Fatal(err)
	}
	if m := f.Memory; m.Phase != "stage 2 b" || m.Parts != want || m.Need != want.Total() {
		t.Errorf("got %+v, want %+v of stage 2 b", m, want)
	}
}
