package hf

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

//go:embed testdata/llama-gqa
var embedded embed.FS

func TestAnEmbeddedFolderIsReadLikeOneOnTheDisk(t *testing.T) {
	a, err := Open("testdata/llama-gqa")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := OpenFS(embedded, "testdata/llama-gqa")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, n := range a.Names() {
		x, err1 := a.Read(n)
		y := tensor.New(tensor.F64, x.Shape()...)
		err2 := b.ReadInto(n, y)
		z := tensor.New(tensor.F64, x.Shape()...)
		z.CopyFrom(x)
		if d := cmp.Diff(tensor.Data[float64](z), tensor.Data[float64](y)); err1 != nil || err2 != nil || d != "" {
			t.Errorf("%s: %v %v %s", n, err1, err2, d)
		}
	}
}

// modelFolder is a model folder in memory: a golden's config with changes, and
// weights made from want.
func modelFolder(t *testing.T, config []byte, want []Weight) fstest.MapFS {
	t.Helper()
	var named []safetensors.Named
	for _, w := range want {
		named = append(named, safetensors.Named{Name: w.Name, Tensor: tensor.New(tensor.F32, w.Shape...), DType: safetensors.BF16})
	}
	var b bytes.Buffer
	if err := safetensors.Write(&b, named, nil); err != nil {
		t.Fatal(err)
	}
	return fstest.MapFS{ConfigFile: {Data: config}, WeightsFile: {Data: b.Bytes()}}
}

func TestWeightsThatDoNotFitAreAllNamedAtOnce(t *testing.T) {
	config := golden(t, "granitehybrid")
	c, err := ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	want := c.Weights()
	want[0].Shape = []int{66, 32}
	want[len(want)-1].Name = "lm_head.wait"
	want = append(want[:2], want[3:]...) // without layer 0's q_proj
	_, err = OpenFS(modelFolder(t, config, want), ".")
	for _, w := range []string{"model.embed_tokens.weight has shape [66 32], want [67 32]", `"lm_head.wait" [67 32] is left over`, "lm_head.weight [67 32] is missing", "q_proj.weight [32 32] is missing"} {
		if !errors.Is(err, ErrWeights) || !strings.Contains(fmt.Sprint(err), w) {
			t.Errorf("got %v, want %s", err, w)
		}
	}
}

func TestATiedModelHasNoHeadAndRotaryTablesArePassedOver(t *testing.T) {
	config := changed(t, "llama-gqa", map[string]string{"tie_word_embeddings": "true"})
	c, err := ParseConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	want := append(c.Weights(), Weight{"model.layers.0.self_attn.rotary_emb.inv_freq", []int{4}})
	m, err := OpenFS(modelFolder(t, config, want), ".")
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Names(); n[len(n)-1] != "model.norm.weight" {
		t.Errorf("got %q", n)
	}
	stored := append(want, Weight{"lm_head.weight", []int{67, 32}}) // zeros, like the embedding
	if m, err = OpenFS(modelFolder(t, config, stored), "."); err != nil || len(m.Names()) != len(c.Weights()) {
		t.Errorf("the embedding stored twice: got %v", err)
	}
	stored[len(stored)-1].Shape = []int{66, 32}
	if _, err := OpenFS(modelFolder(t, config, stored), "."); !errors.Is(err, ErrWeights) || !strings.Contains(err.Error(), "it is not the embedding") {
		t.Errorf("another head beside a tied embedding: got %v", err)
	}
}

func TestWeightsInAnotherFormAreNamed(t *testing.T) {
	for file, want := range map[string]string{
		"pytorch_model.bin":        "pickle",
		"consolidated.safetensors": "Mistral",
	} {
		_, err := OpenFS(fstest.MapFS{ConfigFile: {Data: golden(t, "llama-gqa")}, file: {}}, ".")
		if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", file, err)
		}
	}
	if _, err := OpenFS(fstest.MapFS{ConfigFile: {Data: golden(t, "llama-gqa")}}, "."); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no weights: got %v", err)
	}
	if _, err := Open(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty folder: got %v", err)
	}
	if _, err := OpenFS(fstest.MapFS{ConfigFile: {Data: golden(t, "llama-gqa")}, WeightsFile: {Data: []byte("x")}}, "."); !errors.Is(err, safetensors.ErrFormat) {
		t.Errorf("damaged weights: got %v", err)
	}
	if _, err := OpenFS(fstest.MapFS{ConfigFile: {Mode: fs.ModeNamedPipe}}, "."); err == nil {
		t.Error("a pipe was read")
	}
}

func TestTheWeightsOfTheGoldensAreThoseOfTheirFiles(t *testing.T) {
	for _, name := range []string{"llama-gqa", "mistral-headdim-window", "granitehybrid", "mamba2"} {
		m, err := Open(filepath.Join("testdata", name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all, err := m.ReadAll()
		if err != nil || len(all) != len(m.Weights().Names()) || len(m.Names()) != len(all) {
			t.Errorf("%s: %d of %d weights, %v", name, len(all), len(m.Weights().Names()), err)
		}
		for n, x := range all {
			if x.Size() == 0 {
				t.Errorf("%s: %s is empty", name, n)
			}
		}
		if b, err := m.ReadFile(GenerationFile); err != nil || len(b) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
}
