package hf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// The files of a model folder that this package knows.
const (
	ConfigFile     = "config.json"
	WeightsFile    = "model.safetensors"
	TokenizerFile  = "tokenizer.json"
	GenerationFile = "generation_config.json"
)

// Model is an open model folder.
type Model struct {
	Config *Config

	name    string
	fsys    fs.FS
	weights *safetensors.File
	close   func() error
}

// Open opens the model folder dir: reads config.json, and the header of
// model.safetensors, which must have the weights that the configuration calls
// for and no others. The error wraps ErrConfig, ErrUnsupported, ErrWeights,
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
	if m.Config.ModelType != "stillhouse" {
		if err := m.Match(m.Config.Weights()); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	return m, nil
}

func (m *Model) openWeights() error {
	file := path.Join(m.name, WeightsFile)
	// Looking first keeps a pipe from blocking the open.
	info, err := fs.Stat(m.fsys, WeightsFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return m.noWeights(err)
	case err != nil:
		return fmt.Errorf("hf: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("hf: %s is no file: %w", file, safetensors.ErrFormat)
	}
	f, err := m.fsys.Open(WeightsFile)
	if err != nil {
		return fmt.Errorf("hf: %w", err)
	}
	r, ok := f.(io.ReaderAt)
	size := info.Size()
	if !ok { // an fs.FS need not have it
		b, err := io.ReadAll(f)
		if err != nil {
			return errors.Join(fmt.Errorf("hf: %s: %w", file, err), f.Close())
		}
		r, size = bytes.NewReader(b), int64(len(b))
	}
	if m.weights, err = safetensors.New(file, r, size); err != nil {
		return errors.Join(fmt.Errorf("hf: %w", err), f.Close())
	}
	m.close = f.Close
	return nil
}

// noWeights says why there is no model.safetensors.
func (m *Model) noWeights(err error) error {
	const pickle = "weights as a pickle, which can run code when opened and never is; convert it to safetensors"
	for _, other := range []struct{ file, feature string }{
		{WeightsFile + ".index.json", "weights in several files"},
		{"consolidated.safetensors", "weights under Mistral's own names"},
		{"pytorch_model.bin", pickle},
		{"pytorch_model.bin.index.json", pickle},
		{"consolidated.00.pth", pickle},
	} {
		if _, e := fs.Stat(m.fsys, other.file); e == nil {
			return fmt.Errorf("hf: %s: %w", m.name, unsupported(m.Config.ModelType, "%s: %s", other.file, other.feature))
		}
	}
	return fmt.Errorf("hf: %s: %w", m.name, err)
}

// Close closes the folder; tensors that were read stay valid.
func (m *Model) Close() error { return m.close() }

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

// Weights returns the file of the weights, which Close closes.
func (m *Model) Weights() *safetensors.File { return m.weights }

// ReadFile reads another file of the folder, such as TokenizerFile or
// GenerationFile. It panics when name is a path.
func (m *Model) ReadFile(name string) ([]byte, error) {
	if !isBase(name) {
		panic(fmt.Sprintf("hf: ReadFile: %q is no plain file name", name))
	}
	info, err := fs.Stat(m.fsys, name)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("no file")}
	}
	if err != nil {
		return nil, fmt.Errorf("hf: %s: %w", m.name, err)
	}
	b, err := fs.ReadFile(m.fsys, name)
	if err != nil {
		return nil, fmt.Errorf("hf: %s: %w", m.name, err)
	}
	return b, nil
}

// isBase reports whether name is a file name and nothing that leads elsewhere.
func isBase(name string) bool {
	return fs.ValidPath(name) && name != "." && !strings.ContainsAny(name, "/\\\x00")
}

// Match holds the weights in the file against those wanted and returns an error
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
	for _, info := range m.weights.Infos() {
		if !wanted[info.Name] && !derived(info.Name) {
			wrong = append(wrong, fmt.Sprintf("%q %v is left over", info.Name, info.Shape))
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("hf: %s: %w:\n  %s", path.Join(m.name, WeightsFile), ErrWeights, strings.Join(wrong, "\n  "))
}
