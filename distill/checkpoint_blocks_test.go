package distill

import (
	"slices"
	"testing"

	"stillhouse/layers/tensor"
)

// TestCheckpointedBlocksTrainToTheSameBits over steps of two micro-batches, with
// much less memory and, but for the nodes of the second pass, no more garbage.
func TestCheckpointedBlocksTrainToTheSameBits(t *testing.T) {
	teacher := small(t, "aaaaaa", tensor.F32, nil)
	train := func(again bool) (losses []float64, weights map[string][]float64, planned int) {
		student := hybrid(t, teacher, milMamba2, 1, 2, 4)
		ph := smallPhase("all", nil)
		ph.Accumulate, ph.Recompute = 2, again
		tr := trainer(t, teacher, student, ph, randomRows(nil))
		for range 3 {
			m, err := tr.Train()
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, m.Loss, m.GradNorm)
		}
		planned, _ = tr.Memory()
		return losses, snapshot(student), planned
	}
	want, weights, whole := train(false)
	got, again, kept := train(true)
	if !slices.Equal(got, want) {
		t.Errorf("losses and norms %v, checkpointed %v", want, got)
	}
	for name, w := range weights {
		if !slices.Equal(w, again[name]) {
			t.Errorf("%s differs", name)
		}
	}
	if kept > whole*2/3 {
		t.Errorf("activations take %d bytes, checkpointed %d", whole, kept)
	}
}

func TestACheckpointedBenchAllocatesNoMoreThanItsNodesDo(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	g := tiny(t)
	whole := benchOn(t, g, 1)
	g.CheckpointBlocks = true
	again := benchOn(t, g, 1)
	if whole.Loss != again.Loss || !again.Checkpoint {
		t.Errorf("loss %v, checkpointed %v", whole.Loss, again.Loss)
	}
	// The machine takes 7 small objects a node it runs; a block has 8 or 9 nodes
	// that run again, of which one is spared.
	if d := again.Allocs - whole.Allocs; d > float64(9*7*len(g.Model.Mixers)) {
		t.Errorf("%v more objects a step", d)
	}
	if again.Memory.Activations+again.Memory.Scratch > (whole.Memory.Activations+whole.Memory.Scratch)*2/3 {
		t.Errorf("memory %+v, checkpointed %+v", whole.Memory, again.Memory)
	}
}
