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

func TestTheMemoryEstimateIsOfTheLargestPhase(t *testing.T) {
	r, err := recipes.Load("tiny", []string{"plan.mamba_layers=[1, 2]", "train.warmup_steps=0", "phases=[{name: a, trainable: all, max_steps: 1, sequence_len: 32}, {name: b, trainable: all, max_steps: 1, per_device_train_batch_size: 5, sequence_len: 64}]"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &small(t, "aaa", tensor.F32, nil).Config
	// Weights, gradient, two moments and the teacher's weights; 3 layers of 34
	// widths of 16 and 6 of 24, for 320 tokens.
	if got, want := EstimateMemory(r, c, 1000), int64(1000*4*5+320*3*(34*16+6*24)*4); got != want {
		t.Errorf("got %d bytes, want %d", got, want)
	}
	// Of 40 layers that run again the inputs, two blocks, and the head's share.
	c.Mixers = slices.Repeat(c.Mixers[:1], 40)
	r.Train.CheckpointBlocks = true
	if got, want := EstimateMemory(r, c, 1000), int64(1000*4*5+(320*(40*16+2*(34*16+6*24))+c.VocabSize*(16+768))*4); got != want {
		t.Errorf("checkpointed: got %d bytes, want %d", got, want)
	}
}
