package checkpoints_test

import (
	"fmt"
	"os"
	"path/filepath"

	"stillhouse/checkpoints"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// A run saves twice; the newer checkpoint is damaged, and the run goes on from
// the older one.
func Example() {
	temp, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(temp)
	run, err := checkpoints.CreateRun(filepath.Join(temp, "run"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer run.Close()

	w := tensor.New(tensor.F32, 2)
	weights := []safetensors.Named{{Name: "w", Tensor: w}}
	for step := range int64(2) {
		tensor.Data[float32](w)[0] += 0.5
		if err := run.Metrics.Append([]byte(`{"loss":1}`)); err != nil {
			fmt.Println(err)
			return
		}
		if _, err := checkpoints.Save(run, checkpoints.State{GlobalStep: step + 1}, weights, nil); err != nil {
			fmt.Println(err)
			return
		}
	}
	os.Truncate(run.Path("checkpoints", "step-00000002", "weights.safetensors"), 10)

	c, skipped, err := checkpoints.Latest(run)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range skipped {
		fmt.Println("skipped:", filepath.Base(p.Checkpoint), p.File, p.What)
	}
	f, err := c.Weights()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	back, err := f.Read("w")
	fmt.Println(filepath.Base(c.Path), tensor.Data[float32](back), err)
	fmt.Println("metrics:", run.Metrics.Size(), "bytes, cut to", c.State.MetricsBytes, run.Metrics.Truncate(c.State.MetricsBytes))
	// Output:
	// skipped: step-00000002 weights.safetensors 10 bytes, the manifest says 72
	// step-00000001 [0.5 0] <nil>
	// metrics: 22 bytes, cut to 11 <nil>
}
