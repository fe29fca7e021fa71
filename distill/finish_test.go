package distill

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"stillhouse/checkpoints"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// TestMergeIsTheWeightedMeanOfItsCheckpoints averages by hand, in float64, and
// rounds once.
func TestMergeIsTheWeightedMeanOfItsCheckpoints(t *testing.T) {
	r := tinyRecipe(t, "finish=[{type: sft, max_steps: 3}, {type: merge, checkpoints: [stage-2, sft], weights: [0.25, 0.75]}]",
		"eval.tasks=[]", "eval.contexts=[]")
	runAll(t, r, Options{})
	a, b, got := weightsOf(t, r.OutputDir, "stage-2"), weightsOf(t, r.OutputDir, "sft"), weightsOf(t, r.OutputDir, "merge")
	moved := false
	for name, x := range a {
		y, z := b[name], got[name]
		if len(x) != len(y) || len(x) != len(z) {
			t.Fatalf("%s has %d, %d and %d elements", name, len(x), len(y), len(z))
		}
		for i := range x {
			moved = moved || x[i] != y[i]
			if want := float32(float64(0.25*float64(x[i])) + float64(0.75*float64(y[i]))); z[i] != want {
				t.Fatalf("%s[%d] is %v, the mean of %v and %v is %v", name, i, z[i], x[i], y[i], want)
			}
		}
	}
	if !moved {
		t.Error("the two checkpoints are the same: nothing was averaged")
	}
	final, err := LoadModel(filepath.Join(r.OutputDir, "model"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range final.Model.Named() {
		if !slices.Equal(tensor.Data[float32](n.Value), got[n.Name]) {
			t.Errorf("%s of the final model is not the merge's", n.Name)
		}
	}
	if _, err := os.Stat(filepath.Join(r.OutputDir, "merged.safetensors")); err == nil {
		t.Error("the average is there twice")
	}
}

// TestSFTTrainsTheWholeStudentOnLabels: no teacher in it, so that cross entropy
// falls while the distance to the teacher grows.
func TestSFTTrainsTheWholeStudentOnLabels(t *testing.T) {
	r := tinyRecipe(t, "finish=[{type: sft, max_steps: 12, learning_rate: 1e-3}]", "eval.tasks=[]", "eval.contexts=[]")
	res := runAll(t, r, Options{})
	n := len(res.Evaluations)
	before, after := res.Evaluations[n-2], res.Evaluations[n-1]
	if after.Name != "sft" || after.CrossEntropy >= before.CrossEntropy || after.KL <= before.KL {
		t.Errorf("cross entropy %v → %v, KL %v → %v", before.CrossEntropy, after.CrossEntropy, before.KL, after.KL)
	}
	a, b := weightsOf(t, r.OutputDir, "stage-2"), weightsOf(t, r.OutputDir, "sft")
	for name := range a {
		if slices.Equal(a[name], b[name]) {
			t.Errorf("%s did not train", name)
		}
	}
}

// weightsOf reads the weights of a named checkpoint.
func weightsOf(t *testing.T, dir, name string) map[string][]float32 {
	t.Helper()
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	c, err := checkpoints.Find(folder, name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(filepath.Join(c.Path, "weights.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string][]float32{}
	for _, n := range f.Names() {
		x, err := f.Read(n)
		if err != nil {
			t.Fatal(err)
		}
		all[n] = tensor.Data[float32](x)
	}
	return all
}
