package hf

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

func TestAModelLargerThanAFileIsDealtOutAndReadBackTheSame(t *testing.T) {
	one, err := Open("testdata/llama-gqa")
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	var weights []safetensors.Named
	total, largest := int64(0), int64(0)
	for _, n := range one.Names() {
		x, err := one.Read(n)
		if err != nil {
			t.Fatal(err)
		}
		// Half of them are made when their turn comes.
		w := safetensors.Named{Name: n, Tensor: x, DType: safetensors.F32}
		if len(weights)%2 == 1 {
			w.Tensor, w.Shape, w.Make = nil, x.Shape(), func() (*tensor.Tensor, error) { return one.Read(n) }
		}
		weights = append(weights, w)
		total, largest = total+w.Bytes(), max(largest, w.Bytes())
	}
	for _, most := range []int64{1, largest - 1, largest, total / 2, total - 1, total, 0} {
		dir := filepath.Join(t.TempDir(), "m")
		if err := Save(dir, Export{Config: golden(t, "llama-gqa"), Weights: weights, MaxShard: most}); err != nil {
			t.Fatal(err)
		}
		many, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer many.Close()
		files, _ := filepath.Glob(filepath.Join(dir, "*.safetensors"))
		if n := many.Weights().Files(); n != len(files) || (n == 1) != (most == 0 || most >= total) || most == 1 && n != len(weights) {
			t.Errorf("at most %d bytes: %d files of %v", most, n, files)
		}
		for _, n := range one.Names() {
			x, err1 := one.Read(n)
			y, err2 := many.Read(n)
			if err1 != nil || err2 != nil || !tensor.Equal(x, y) {
				t.Errorf("at most %d bytes: %s: %v %v", most, n, err1, err2)
			}
		}
		for _, path := range files {
			f, err := safetensors.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			size := int64(0)
			for _, info := range f.Infos() {
				size += info.Bytes
			}
			if most > 0 && size > most && len(f.Names()) > 1 {
				t.Errorf("at most %d bytes: %s has %d", most, filepath.Base(path), size)
			}
			f.Close()
		}
		b, err := os.ReadFile(filepath.Join(dir, IndexFile))
		if many.Weights().Files() == 1 {
			if !os.IsNotExist(err) {
				t.Errorf("one file and an index: %v", err)
			}
			continue
		}
		var index struct{ Metadata map[string]int64 }
		if err := json.Unmarshal(b, &index); err != nil || index.Metadata["total_size"] != total {
			t.Errorf("total_size is %v, want %d", index.Metadata, total)
		}
	}
}

func TestAWeightThatCannotBeMadeFailsTheExport(t *testing.T) {
	w := safetensors.Named{Name: "w", DType: safetensors.F32, Shape: []int{1}, Make: func() (*tensor.Tensor, error) { return nil, os.ErrDeadlineExceeded }}
	dir := filepath.Join(t.TempDir(), "m")
	err := Save(dir, Export{Config: golden(t, "llama-gqa"), Weights: []safetensors.Named{w}})
	if err == nil || !strings.Contains(err.Error(), `make tensor "w"`) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}

func TestAnExportOfOneFileAndOfManyHasNoNameTwice(t *testing.T) {
	x := tensor.New(tensor.F32, 4)
	for _, most := range []int64{0, 16} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("at most %d bytes: no panic", most)
				}
			}()
			e := Export{Config: golden(t, "llama-gqa"), Weights: []safetensors.Named{{Name: "w", Tensor: x}, {Name: "w", Tensor: x}}, MaxShard: most}
			_ = Save(filepath.Join(t.TempDir(), "m"), e)
		}()
	}
	for _, name := range []string{IndexFile, "model-00001-of-00002.safetensors"} {
		if !isWeights(name) {
			t.Errorf("%s could be among the other files", name)
		}
	}
	if got := shardFile(1, 12); got != "model-00002-of-00012.safetensors" {
		t.Error(got)
	}
}
