package distill

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// Each sequence of a golden is computed alone; the golden's loss and gradients
// are means over its two sequences, which are of one length.
func TestLogitsAndGradientsAreTheGoldens(t *testing.T) {
	for _, name := range []string{"llama-gqa", "qwen2", "granitehybrid"} {
		dir := filepath.Join("testdata", "goldens", name)
		l, err := LoadModel(dir)
		if err != nil {
			t.Fatal(err)
		}
		want, err := safetensors.Open(filepath.Join(dir, "expected.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		defer want.Close()
		ids := read(t, want, "input_ids")
		length := ids.Dim(1)
		mean := map[string][]float64{}
		for i := range 2 {
			out, err := Logits(nil, l, tensor.Data[int32](ids)[i*length:(i+1)*length], true)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range out {
				x := numbersOf(n.Tensor)
				if n.Name == "logits" {
					w := numbers(read(t, want, "logits"))[i*len(x) : (i+1)*len(x)]
					for j := range x {
						if d := math.Abs(x[j] - w[j]); !(d <= 1e-4) {
							t.Fatalf("%s: logit %d of sequence %d is off by %g", name, j, i, d)
						}
					}
					continue
				}
				if mean[n.Name] == nil {
					mean[n.Name] = make([]float64, len(x))
				}
				for j := range x {
					mean[n.Name][j] += x[j] / 2
				}
			}
		}
		compared := 0
		for _, n := range want.Names() {
			if n != "loss" && !strings.HasPrefix(n, "grad.") {
				continue
			}
			compared++
			if mean[n] == nil {
				t.Errorf("%s: %s is missing", name, n)
				continue
			}
			if d := relative(mean[n], numbers(read(t, want, n))); !(d <= 1e-3) {
				t.Errorf("%s: %s is off by %g of its norm", name, n, d)
			}
		}
		if have := len(mean) - 1; have != compared { // input_ids is not in the golden's gradients
			t.Errorf("%s: %d tensors, the golden has %d", name, have, compared)
		}
	}
}

// numbersOf is numbers for tokens too.
func numbersOf(x *tensor.Tensor) []float64 {
	if x.DType() != tensor.I32 {
		return numbers(x)
	}
	var out []float64
	for _, id := range tensor.Data[int32](x) {
		out = append(out, float64(id))
	}
	return out
}

func TestLogitsRefuseWhatIsNoSequence(t *testing.T) {
	l, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		ids  []int32
		want string
	}{{[]int32{1, 512}, "token 1 is 512"}, {[]int32{-1, 2}, "token 0 is -1"}, {[]int32{3}, "at least 2 tokens"}} {
		if _, err := Logits(nil, l, c.ids, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: got %v, want %q", c.ids, err, c.want)
		}
	}
}
