package hf

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stillhouse/checkpoints/internal/durable"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

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
