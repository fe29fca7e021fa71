package distill

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/hub"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/data/tokenizer"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Loaded is a model with its tokenizer and where it came from.
type Loaded struct {
	Model     *layers.Model
	Tokenizer *tokenizer.Tokenizer
	Folder    *tokenizer.Folder // what else the folder says of it; nil without a tokenizer
	Source    string
	Files     fs.FS // the folder that the tokenizer is in; nil without one
	BF16      bool  // it writes with its matrices rounded to bfloat16: see [layers.NewBF16Decoder]

	rename func(string) string // our names of weights into the file's; nil keeps them
	inFile map[string]bool     // names in the file; nil when it was no model folder
}

//go:embed all:models
var embedded embed.FS

// embeddedPrefix begins the path of a model that is in the binary.
const embeddedPrefix = "embedded:"

// LoadModel reads a model folder, embedded:NAME from the binary, hf://ORG/NAME
// from the Hub's cache, into which it is fetched, or a file NAME.gguf.
func LoadModel(source string) (*Loaded, error) {
	if isGGUF(source) {
		return LoadGGUF(source)
	}
	dir, err := modelFiles(source)
	if err != nil {
		return nil, err
	}
	return loadModel(source, dir)
}

// modelFiles opens a model's folder, on the disk or in the binary.
func modelFiles(source string) (fs.FS, error) {
	if name, ok := strings.CutPrefix(source, embeddedPrefix); ok {
		sub, err := fs.Sub(embedded, path.Join("models", name))
		if err == nil {
			_, err = fs.Stat(sub, hf.ConfigFile)
		}
		if err != nil {
			return nil, fmt.Errorf("no embedded model %q (hint: there is embedded:teacher)", name)
		}
		return sub, nil
	}
	source, err := fetched(context.Background(), source, (*hub.Client).Model, Quiet{})
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(source); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is no model folder (hint: a folder with %s, %s and %s, or embedded:teacher)", source, hf.ConfigFile, hf.WeightsFile, hf.TokenizerFile)
	}
	return os.DirFS(source), nil
}

func loadModel(source string, dir fs.FS) (*Loaded, error) {
	f, err := hf.OpenFS(dir, ".")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	defer f.Close()
	c, rename, err := configOf(f.Config)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", source, hf.ConfigFile, err)
	}
	l := &Loaded{Source: source}
	if l.Model, err = layers.New(c, tensor.F32); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", source, hf.ConfigFile, err)
	}
	if err := LoadWeights(l.Model, f, rename); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", source, hf.WeightsFile, err)
	}
	l.rename, l.inFile = rename, map[string]bool{}
	for _, n := range f.Weights().Names() {
		l.inFile[n] = true
	}
	if _, err := fs.Stat(dir, hf.TokenizerFile); errors.Is(err, fs.ErrNotExist) {
		return l, nil // a model that is given token ids needs none
	}
	if l.Folder, err = tokenizer.LoadFolder(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	l.Tokenizer, l.Files = l.Folder.Tokenizer, dir
	return l, nil
}

// Weights are tensors by name: a file, or a model folder's files together.
type Weights interface {
	Names() []string
	Info(name string) (safetensors.Info, bool)
	Read(name string) (*tensor.Tensor, error)
}

// LoadWeights copies a file's tensors into a model, whose names rename turns
// into the file's; nil keeps them.
func LoadWeights(m *layers.Model, f Weights, rename func(string) string) error {
	var failed error
	used := map[string]bool{}
	err := layers.Load(m.Params(), func(name string) *tensor.Tensor {
		if rename != nil {
			name = rename(name)
		}
		if _, ok := f.Info(name); !ok {
			return nil
		}
		used[name] = true
		t, err := f.Read(name)
		if err != nil {
			failed = errors.Join(failed, err)
		}
		return t
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return err
	}
	var extra []string
	for _, n := range f.Names() {
		if !used[n] {
			extra = append(extra, n)
		}
	}
	if len(extra) > 0 {
		return fmt.Errorf("%d tensors belong to nothing in the model, first %s (hint: is config.json the weights' own?)", len(extra), extra[0])
	}
	return nil
}

// Named returns a model's weights as the checkpoint writer wants them; dtype ""
// keeps their type, BF16 rounds.
func Named(m *layers.Model, dtype safetensors.DType) (out []safetensors.Named) {
	for _, n := range m.Named() {
		out = append(out, safetensors.Named{Name: n.Name, Tensor: n.Value, DType: dtype})
	}
	return out
}

// describe names a model in one line.
func describe(l *Loaded) string {
	c := &l.Model.Config
	return fmt.Sprintf("%s: %d layers, width %d, %d/%d heads, SwiGLU %d, vocabulary %d, %s parameters",
		l.Source, c.Layers(), c.HiddenSize, c.Heads, c.KVHeads, c.Intermediate, c.VocabSize, HumanCount(int64(l.Model.Size())))
}
