package hf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"stillhouse/checkpoints/folder"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// The files of a model folder that this package knows.
const (
	ConfigFile     = "config.json"
	WeightsFile    = "model.safetensors"
	IndexFile      = "model.safetensors.index.json" // of weights in several files
	TokenizerFile  = "tokenizer.json"
	GenerationFile = "generation_config.json"
)

// Model is an open model folder.
type Model struct {
	Config *Config

	name    string
	fsys    fs.FS
	weights *Shards
}

// Open opens the model folder dir: reads config.json, and the headers of
// model.safetensors or of the files that its index lists, which must have the
// weights that the configuration calls for and no others. The error wraps ErrConfig, ErrUnsupported, ErrWeights,
// safetensors.ErrFormat or fs.ErrNotExist.
func Open(dir string) (*Model, error) { return openFS(os.DirFS(dir), dir) }

// OpenFS is Open of the folder dir of fsys, such as an embedded one.
func OpenFS(fsys fs.FS, dir string) (*Model, error) {
	sub, err := fs.Sub(fsys, dir)
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	return openFS(sub, dir)
}

func openFS(fsys fs.FS, name string) (*Model, error) {
	m := &Model{name: name, fsys: fsys}
	b, err := m.ReadFile(ConfigFile)
	if err != nil {
		return nil, err
	}
	if m.Config, err = ParseConfig(b); err != nil {
		return nil, fmt.Errorf("%s: %w", path.Join(name, ConfigFile), err)
	}
	if err := m.openWeights(); err != nil {
		return nil, err
	}
	if m.Config.Mamba1 != nil {
		m.Config.Mamba1.rankOf(m.Config, m.weights.Info)
	}
	if m.Config.ModelType != "stillhouse" {
		if err := m.Match(m.Config.Weights()); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

// openWeights opens model.safetensors or, without one, what an index lists; with
// both, as transformers does, the former.
func (m *Model) openWeights() error {
	_, err := fs.Stat(m.fsys, WeightsFile)
	switch {
	case err == nil:
		m.weights, err = openSingle(m.fsys, m.name)
		return err
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("hf: %w", err)
	}
	index, indexErr := m.ReadFile(IndexFile)
	switch {
	case errors.Is(indexErr, fs.ErrNotExist):
		return m.noWeights(err)
	case indexErr != nil:
		return indexErr
	}
	m.weights, err = openShards(m.fsys, m.name, index)
	return err
}

// noWeights says why there is no model.safetensors.
func (m *Model) noWeights(err error) error {
	const pickle = "weights as a pickle, which can run code when opened and never is; convert it to safetensors"
	for _, other := range []struct{ file, feature string }{
		{"consolidated.safetensors", "weights under Mistral's own names"},
		{"pytorch_model.bin", pickle},
		{"pytorch_model.bin.index.json", pickle},
		{"consolidated.00.pth", pickle},
	} {
		if _, e := fs.Stat(m.fsys, other.file); e == nil {
			return in(m.name, unsupported(m.Config.ModelType, "%s: %s", other.file, other.feature))
		}
	}
	return in(m.name, err)
}

// Close closes the folder; tensors that were read stay valid.
func (m *Model) Close() error { return m.weights.Close() }

// derived reports whether a weight follows from the configuration; older files
// of Llama carry such tables, and transformers passes over them too.
func derived(name string) bool { return strings.HasSuffix(name, ".rotary_emb.inv_freq") }

// Names returns the names of the weights in the order of the forward pass; for
// model_type stillhouse, sorted.
func (m *Model) Names() []string {
	want := m.Config.Weights()
	if want == nil {
		return m.weights.Names()
	}
	names := make([]string, len(want))
	for i, w := range want {
		names[i] = w.Name
	}
	return names
}

// Info returns what its file says about the weight of that name.
func (m *Model) Info(name string) (safetensors.Info, bool) { return m.weights.Info(name) }

// Read returns the weight of that name, widened to F32 from half precision.
func (m *Model) Read(name string) (*tensor.Tensor, error) { return m.weights.Read(name) }

// ReadInto reads the weight of that name into dst, which must have its shape.
func (m *Model) ReadInto(name string, dst *tensor.Tensor) error {
	return m.weights.ReadInto(name, dst)
}

// ReadAll returns every weight by its name.
func (m *Model) ReadAll() (map[string]*tensor.Tensor, error) {
	all := map[string]*tensor.Tensor{}
	for _, n := range m.Names() {
		t, err := m.Read(n)
		if err != nil {
			return nil, err
		}
		all[n] = t
	}
	return all, nil
}

// Weights returns the weights as they lie in the folder; Close closes them.
func (m *Model) Weights() *Shards { return m.weights }

// ReadFile reads another file of the folder, such as TokenizerFile or
// GenerationFile. It panics when name is a path.
func (m *Model) ReadFile(name string) ([]byte, error) {
	if !folder.IsName(name) {
		panic(fmt.Sprintf("hf: ReadFile: %q is no plain file name", name))
	}
	info, err := fs.Stat(m.fsys, name)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("no file")}
	}
	if err != nil {
		return nil, in(m.name, err)
	}
	b, err := fs.ReadFile(m.fsys, name)
	if err != nil {
		return nil, in(m.name, err)
	}
	return b, nil
}

// Match holds the weights in the folder against those wanted and returns an error
// that lists all that are missing, left over or of another shape.
func (m *Model) Match(want []Weight) error {
	var wrong []string
	wanted := map[string]bool{}
	for _, w := range want {
		wanted[w.Name] = true
		info, ok := m.weights.Info(w.Name)
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%s %v is missing", w.Name, w.Shape))
		case !slices.Equal(info.Shape, w.Shape):
			wrong = append(wrong, fmt.Sprintf("%s has shape %v, want %v", w.Name, info.Shape, w.Shape))
		}
	}
	for _, name := range m.weights.Names() {
		if wanted[name] || derived(name) {
			continue
		}
		info, _ := m.weights.Info(name)
		if name == headName && m.Config.Tied && wanted[embedName] {
			switch same, err := m.sameTensors(name, embedName); {
			case err != nil:
				return err
			case !same:
				wrong = append(wrong, fmt.Sprintf("%q %v is left over: tie_word_embeddings is true, and it is not the embedding", name, info.Shape))
			}
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%q %v is left over", name, info.Shape))
	}
	if wrong == nil {
		return nil
	}
	return in(m.name, fmt.Errorf("%w:\n  %s", ErrWeights, strings.Join(wrong, "\n  ")))
}

// sameTensors reports whether two weights hold the same: a tied head that was
// stored all the same.
func (m *Model) sameTensors(a, b string) (bool, error) {
	x, err := m.Read(a)
	if err != nil {
		return false, err
	}
	y, err := m.Read(b)
	return err == nil && tensor.Equal(x, y), err
}
