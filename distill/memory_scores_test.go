package distill

import (
	"fmt"
	"runtime"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// TestAPlanOfACohortIsWhatItTakes, its trunk and its probes together.
func TestAPlanOfACohortIsWhatItTakes(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	larger := func(c *layers.Config) { c.HiddenSize, c.Intermediate, c.HeadDim, c.VocabSize = 64, 96, 16, 512 }
	teacher, ls := small(t, "aaaa", tensor.F32, larger), []int{0, 2, 3}
	outline, err := layers.Outline(teacher.Config, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	ph := smallPhase("", nil)
	ph.B, ph.T = 3, 100
	plan, err := planCohort(1, outline, outline.Share(), ph, milMamba2, ls)
	if err != nil {
		t.Fatal(err)
	}
	before := emptiedHeap()
	var models []*layers.Model
	for _, l := range ls {
		models = append(models, hybrid(t, teacher, milMamba2, l))
	}
	c := newCohort(nil, teacher, teacher.Share(), ph, randomTokens(512), models, ls)
	b := teacher.Batch(ph.B, ph.T)
	shared, graphs, err := c.graphs([]int{0, 1, 2}, b)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.close()
	taken := emptiedHeap() - before + weightBytes(teacher)
	want := plan.Total() - plan.Process - int64(layers.ProductScratch(1)) - 2*int64(b.Bytes())
	if taken < want*96/100 || taken > want*104/100 {
		t.Errorf("planned %d bytes, taken %d", want, taken)
	}
	activations, _ := shared.memory()
	for _, g := range graphs {
		activations += g.Memory().Planned
		g.Close()
	}
	if plan.Activations != int64(activations) || plan.Weights != weightBytes(append(models, teacher)...) {
		t.Errorf("planned %+v, activations are %d, weights %d", plan, activations, weightBytes(append(models, teacher)...))
	}
	runtime.KeepAlive(c)
}

// TestTheSampleOfFittedMixersIsAsLargeAsPlanned, of the layers that are asked for
// and no others.
func TestTheSampleOfFittedMixersIsAsLargeAsPlanned(t *testing.T) {
	r := tinyRecipe(t, "student.mixer.init=mil-fit", "student.mixer.fit.sequences=11")
	teacher := small(t, "aaa", tensor.F32, nil)
	b, length, n := fitBatches(r)
	whole := map[int]layers.Calibration{}
	for _, ls := range [][]int{{0, 1, 2}, {1}, {2}} {
		fill := randomRows(nil)
		get, err := calibration(nil, teacher, teacher.Batch(b, length), n, func(i int, b *layers.Batch) error { return fill(int64(i), b) }, ls...)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range ls {
			c, err := get(l)
			if err != nil {
				t.Fatal(err)
			}
			got := int64(0)
			for i := range c.In {
				got += int64(c.In[i].Bytes() + c.Out[i].Bytes())
			}
			if want := calibrationBytes(r, &teacher.Config); got != want || want == 0 {
				t.Errorf("the sample of layer %d has %d bytes, planned %d", l, got, want)
			}
			if len(ls) > 1 {
				whole[l] = c
				continue
			}
			for i := range c.In {
				if !tensor.Equal(c.In[i], whole[l].In[i]) || !tensor.Equal(c.Out[i], whole[l].Out[i]) {
					t.Errorf("layer %d alone reads another batch %d than with the others", l, i)
				}
			}
		}
	}
}

// TestABatchOfASampleHasNoMoreTokensThanOneOfTraining, and at most 8 sequences.
func TestABatchOfASampleHasNoMoreTokensThanOneOfTraining(t *testing.T) {
	for _, c := range []struct{ batch, sequences, length, b, n int }{
		{8, 64, 0, 8, 8}, {16, 64, 64, 8, 8}, {1, 64, 0, 8, 8}, // tiny ones are not cut: 512 tokens are few
		{16, 64, 256, 4, 16}, {1, 64, 256, 2, 32}, {1, 3, 2048, 1, 3}, {16, 6, 256, 4, 2}, {16, 2, 256, 2, 1},
	} {
		r := tinyRecipe(t, fmt.Sprintf("train.per_device_train_batch_size=%d", c.batch))
		if b, _, n := batchesOf(recipes.Calibration{Sequences: c.sequences, SequenceLen: c.length}, r); b != c.b || n != c.n {
			t.Errorf("%+v: got %d batches of %d", c, n, b)
		}
	}
}
