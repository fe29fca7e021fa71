package checkpoints

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

func weightsAt(t *testing.T, dir, name string, named ...safetensors.Named) string {
	t.Helper()
	var b bytes.Buffer
	if err := safetensors.Write(&b, named, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheAverageOfCheckpointsIsTheWeightedMeanOfEachWeight(t *testing.T) {
	r := newRun(t)
	a, b := mustSave(t, r, 10), mustSave(t, r, 20)
	out := filepath.Join(t.TempDir(), "merged.safetensors")
	for _, c := range []struct {
		weights []float64
		step    float32
	}{{nil, 15}, {[]float64{0.5, 0.5}, 15}, {[]float64{0.75, 0.25}, 12.5}, {[]float64{2, -1}, 0}} {
		if err := Average(out, []string{a.Path, b.Path}, c.weights); err != nil {
			t.Fatal(err)
		}
		f, err := safetensors.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		x, err := f.Read("b")
		if err != nil {
			t.Fatal(err)
		}
		want := []float32{0, 1. / 64, 2. / 64, 3. / 64, 4. / 64, 5. / 64}
		for i := range want {
			want[i] += c.step + 1./8
		}
		if d := cmp.Diff(want, tensor.Data[float32](x)); d != "" || len(f.Names()) != 2 {
			t.Errorf("%v: %s", c.weights, d)
		}
		f.Close()
	}
}

// In float32 the large terms would swallow the small one.
func TestTheAverageIsSummedInFloat64AndRoundedOnce(t *testing.T) {
	dir := t.TempDir()
	one := func(name string, v float32) string {
		return weightsAt(t, dir, name, safetensors.Named{Name: "w", Tensor: tensor.From([]float32{v}, 1)},
			safetensors.Named{Name: "h", Tensor: tensor.From([]float32{v}, 1), DType: safetensors.BF16},
			safetensors.Named{Name: "ids", Tensor: tensor.From([]int32{7}, 1)})
	}
	out := filepath.Join(dir, "out")
	if err := Average(out, []string{one("a", 1e8), one("b", 1), one("c", -1e8)}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := safetensors.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := f.Read("w")
	if err != nil {
		t.Fatal(err)
	}
	if got := tensor.Data[float32](w)[0]; math.Abs(float64(got)-1./3) > 1e-8 {
		t.Errorf("got %v want 1/3", got)
	}
	if info, _ := f.Info("h"); info.DType != safetensors.F32 {
		t.Errorf("half precision became %s", info.DType)
	}
}

func TestWhatCannotBeAveragedIsNamedAndTheOutputUntouched(t *testing.T) {
	dir := t.TempDir()
	f32 := func(n int) *tensor.Tensor { return tensor.New(tensor.F32, n) }
	a := weightsAt(t, dir, "a", safetensors.Named{Name: "w", Tensor: f32(2)}, safetensors.Named{Name: "x", Tensor: f32(1)}, safetensors.Named{Name: "i", Tensor: tensor.From([]int32{1})})
	b := weightsAt(t, dir, "b", safetensors.Named{Name: "w", Tensor: f32(3)}, safetensors.Named{Name: "y", Tensor: f32(1)}, safetensors.Named{Name: "i", Tensor: tensor.From([]int32{1})})
	c := weightsAt(t, dir, "c", safetensors.Named{Name: "w", Tensor: f32(2)}, safetensors.Named{Name: "x", Tensor: f32(1)}, safetensors.Named{Name: "i", Tensor: tensor.From([]int32{2})})
	out := weightsAt(t, dir, "out", safetensors.Named{Name: "old", Tensor: f32(1)})
	before, _ := os.ReadFile(out)
	for _, k := range []struct {
		paths   []string
		weights []float64
		want    []string
	}{
		{nil, nil, []string{"no checkpoints"}},
		{[]string{a, a}, []float64{1}, []string{"1 weights for 2"}},
		{[]string{a, a}, []float64{1, 1}, []string{"sum to 2"}},
		{[]string{a, a}, []float64{math.NaN(), 1}, []string{"sum to NaN"}},
		{[]string{a, b}, nil, []string{"shape [2]", "and [3]", "lacks x", "has y"}},
		{[]string{a, c}, nil, []string{"integers of i differ"}},
		{[]string{a, filepath.Join(dir, "none")}, nil, []string{"none"}},
		{[]string{a, dir}, nil, []string{"manifest.json"}},
	} {
		err := Average(out, k.paths, k.weights)
		for _, w := range k.want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("got %v, want %q", err, w)
			}
		}
	}
	if err := Average(out, []string{filepath.Join(dir, "none")}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if after, _ := os.ReadFile(out); !bytes.Equal(before, after) {
		t.Error("the output changed")
	}
}

func TestADamagedCheckpointIsNotAveraged(t *testing.T) {
	c := mustSave(t, newRun(t), 1)
	path := filepath.Join(c.Path, weightsFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Average(filepath.Join(t.TempDir(), "out"), []string{c.Path}, nil); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}
