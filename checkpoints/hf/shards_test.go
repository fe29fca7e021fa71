package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"stillhouse/checkpoints/folder"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// sharded is a golden's folder in memory, its weights dealt out to files of the
// given types, with an index.
func sharded(t *testing.T, name string, dtypes ...safetensors.DType) fstest.MapFS {
	t.Helper()
	m, err := Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	parts, where := make([][]safetensors.Named, len(dtypes)), map[string]string{}
	for i, n := range m.Names() {
		x, err := m.Read(n)
		if err != nil {
			t.Fatal(err)
		}
		k := i % len(dtypes)
		parts[k] = append(parts[k], safetensors.Named{Name: n, Tensor: x, DType: dtypes[k]})
		where[n] = shardName(k, len(dtypes))
	}
	index, err := json.Marshal(map[string]any{"metadata": map[string]any{"total_size": 1}, "weight_map": where})
	if err != nil {
		t.Fatal(err)
	}
	fsys := fstest.MapFS{ConfigFile: {Data: golden(t, name)}, IndexFile: {Data: index}}
	for k, p := range parts {
		var b bytes.Buffer
		if err := safetensors.Write(&b, p, nil); err != nil {
			t.Fatal(err)
		}
		fsys[shardName(k, len(dtypes))] = &fstest.MapFile{Data: b.Bytes()}
	}
	return fsys
}

func shardName(k, of int) string { return fmt.Sprintf("model-%05d-of-%05d.safetensors", k+1, of) }

func TestWeightsInSeveralFilesAreThoseOfOne(t *testing.T) {
	one, err := Open("testdata/granitehybrid")
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	many, err := OpenFS(sharded(t, "granitehybrid", safetensors.F32, safetensors.F64, safetensors.F32), ".")
	if err != nil {
		t.Fatal(err)
	}
	if n := many.Weights().Files(); n != 3 || !cmp.Equal(one.Weights().Names(), many.Weights().Names()) {
		t.Errorf("%d files with %v", n, many.Weights().Names())
	}
	for _, n := range one.Names() {
		x, err1 := one.Read(n)
		y := tensor.New(tensor.F32, x.Shape()...)
		if err2 := many.ReadInto(n, y); err1 != nil || err2 != nil || !tensor.Equal(x, y) {
			t.Errorf("%s: %v %v", n, err1, err2)
		}
	}
	if _, err := many.Read("model.layers.9.norm"); err == nil || !strings.Contains(err.Error(), "model.layers.9.norm") {
		t.Errorf("a weight of none: got %v", err)
	}
	if err := many.Close(); err != nil {
		t.Error(err)
	}
}

func TestHalfPrecisionIsWidened(t *testing.T) {
	one, err := Open("testdata/llama-gqa")
	if err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	half, err := OpenFS(sharded(t, "llama-gqa", safetensors.F16, safetensors.BF16), ".")
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	for _, n := range one.Names() {
		x, err1 := one.Read(n)
		y, err2 := half.Read(n)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for i, v := range tensor.Data[float32](x) { // BF16 has 8 bits
			if d := tensor.Data[float32](y)[i] - v; max(d, -d) > max(v, -v)/256+1e-7 {
				t.Fatalf("%s[%d]: got %v, want %v", n, i, tensor.Data[float32](y)[i], v)
			}
		}
	}
}

func TestAnIndexThatDoesNotFitItsFilesIsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		change func(fsys fstest.MapFS)
		want   string
		err    error
	}{
		"no JSON":        {func(f fstest.MapFS) { f[IndexFile].Data = []byte("{") }, "EOF", ErrWeights},
		"no map":         {func(f fstest.MapFS) { f[IndexFile].Data = []byte(`{"metadata":{}}`) }, "no weight_map", ErrWeights},
		"a path":         {index(`"../model-1.safetensors"`), "no file name", ErrWeights},
		"a pickle":       {index(`"pytorch_model.bin"`), "no file name", ErrWeights},
		"another file":   {index(`"model-00002-of-00002.safetensors"`), `"lm_head.weight" is not in model-00002`, ErrWeights},
		"a missing file": {func(f fstest.MapFS) { delete(f, shardName(1, 2)) }, shardName(1, 2), nil},
		"a cut file":     {func(f fstest.MapFS) { f[shardName(1, 2)].Data = f[shardName(1, 2)].Data[:100] }, shardName(1, 2), safetensors.ErrFormat},
		"a name too few": {func(f fstest.MapFS) {
			f[IndexFile].Data = bytes.Replace(f[IndexFile].Data, []byte(`"lm_head.weight":"model-00001-of-00002.safetensors",`), nil, 1)
		}, `"lm_head.weight" is in model-00001-of-00002.safetensors, where the index does not put it`, ErrWeights},
	} {
		fsys := sharded(t, "llama-gqa", safetensors.F32, safetensors.F32)
		c.change(fsys)
		_, err := OpenFS(fsys, ".")
		if err == nil || !strings.Contains(err.Error(), c.want) || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %s", what, err, c.want)
		}
	}
}

// index puts lm_head.weight into another file.
func index(file string) func(fstest.MapFS) {
	return func(f fstest.MapFS) {
		f[IndexFile].Data = bytes.Replace(f[IndexFile].Data, []byte(`"lm_head.weight":"model-00001-of-00002.safetensors"`), []byte(`"lm_head.weight":`+file), 1)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":12},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		where, err := parseIndex(b)
		if err != nil {
			return
		}
		if len(where) == 0 {
			t.Fatal("an index of nothing")
		}
		for name, file := range where {
			if !folder.IsName(file) || strings.Contains(file, "..") && strings.Contains(file, "/") {
				t.Fatalf("%q is in %q", name, file)
			}
		}
	})
}
