package hf

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"stillhouse/checkpoints/internal/durable"
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

// folder is a model folder in memory: a golden's config with changes, and
// weights made from want.
func folder(t *testing.T, config []byte, want []Weight) fstest.MapFS {
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
	_, err = OpenFS(folder(t, config, want), ".")
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
	m, err := OpenFS(folder(t, config, want), ".")
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Names(); n[len(n)-1] != "model.norm.weight" {
		t.Errorf("got %q", n)
	}
	if _, err := OpenFS(folder(t, config, append(want, Weight{"lm_head.weight", []int{67, 32}})), "."); !errors.Is(err, ErrWeights) {
		t.Errorf("a head beside a tied embedding: got %v", err)
	}
}

func TestWeightsInAnotherFormAreNamed(t *testing.T) {
	for file, want := range map[string]string{
		"model.safetensors.index.json": "weights in several files",
		"pytorch_model.bin":            "pickle",
		"consolidated.safetensors":     "Mistral",
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

func TestAModelOfOurOwnGoesOutAndComesBack(t *testing.T) {
	config, err := StillhouseConfig([]byte(`{"mixers":[{"kind":"mamba2"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "deep", "model")
	w := tensor.From([]float32{1, 2, 3}, 3)
	tokenizer := []byte(`{"model":{}}`)
	e := Export{Config: config, Weights: []safetensors.Named{{Name: "w", Tensor: w}}, Files: map[string][]byte{TokenizerFile: tokenizer, GenerationFile: []byte("{}")}}
	if err := Save(dir, e); err != nil {
		t.Fatal(err)
	}
	m, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	x, err := m.Read("w")
	if err != nil || !cmp.Equal(tensor.Data[float32](x), []float32{1, 2, 3}) {
		t.Errorf("got %v %v", x, err)
	}
	var got bytes.Buffer
	fmt.Fprintf(&got, "%s", bytes.Join(bytes.Fields(m.Config.Stillhouse), nil))
	if got.String() != `{"mixers":[{"kind":"mamba2"}]}` || m.Weights().Metadata()["format"] != "pt" {
		t.Errorf("got %s %v", got.String(), m.Weights().Metadata())
	}
	if b, err := m.ReadFile(TokenizerFile); err != nil || !bytes.Equal(b, tokenizer) {
		t.Errorf("got %q %v", b, err)
	}
	if err := m.Match([]Weight{{"w", []int{4}}, {"v", nil}}); !errors.Is(err, ErrWeights) || !strings.Contains(err.Error(), "w has shape [3], want [4]") || !strings.Contains(err.Error(), "v [] is missing") {
		t.Errorf("got %v", err)
	}
	if err := Save(dir, e); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a model: got %v", err)
	}
}

func TestAnExportThatFailsLeavesNothing(t *testing.T) {
	config := golden(t, "llama-gqa")
	e := Export{Config: config, Weights: []safetensors.Named{{Name: "w", Tensor: tensor.New(tensor.F32, 3)}}, Files: map[string][]byte{TokenizerFile: []byte("{}")}}
	for k := 1; ; k++ {
		dir, n := filepath.Join(t.TempDir(), "m"), 0
		fail := func(op string) error {
			if n++; n == k {
				return fmt.Errorf("%s: %w", op, syscall.ENOSPC)
			}
			return nil
		}
		ops := durable.OS()
		create, rename, mkdir := ops.Create, ops.Rename, ops.Mkdir
		ops.Mkdir = func(p string, perm fs.FileMode) error { return errors.Join(fail("mkdir"), mkdir(p, perm)) }
		ops.Rename = func(a, b string) error {
			if err := fail("rename"); err != nil {
				return err
			}
			return rename(a, b)
		}
		ops.Create = func(p string, perm fs.FileMode) (durable.File, error) {
			f, err := create(p, perm)
			return failing{f, fail}, errors.Join(err, fail("create"))
		}
		err := save(ops, dir, e)
		_, stat := os.Stat(dir)
		if n < k {
			if err != nil || stat != nil {
				t.Fatalf("without a failure: %v %v", err, stat)
			}
			t.Logf("%d operations", n)
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || !errors.Is(stat, fs.ErrNotExist) {
			t.Fatalf("failing at %d: %v %v", k, err, stat)
		}
		left, err := os.ReadDir(filepath.Dir(dir))
		if err != nil || len(left) > 1 || len(left) == 1 && k > 1 { // a mkdir that failed has made it here
			t.Fatalf("failing at %d leaves %v %v", k, left, err)
		}
	}
}

// failing is a file whose writes and fsyncs may fail.
type failing struct {
	durable.File
	fail func(op string) error
}

func (f failing) Write(p []byte) (int, error) {
	if err := f.fail("write"); err != nil {
		return 0, err
	}
	return f.File.Write(p)
}

func (f failing) Sync() error { return errors.Join(f.fail("sync"), f.File.Sync()) }

func TestPathsAmongTheFilesPanic(t *testing.T) {
	for _, name := range []string{"../x", "/x", "a/b", "", ".", "..", `a\b`, "a\x00", ConfigFile, WeightsFile} {
		func() {
			defer func() {
				if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "hf: Save: ") {
					t.Errorf("%q: recovered %v", name, p)
				}
			}()
			Save(filepath.Join(t.TempDir(), "m"), Export{Config: []byte("{}"), Files: map[string][]byte{name: nil}})
		}()
	}
}
