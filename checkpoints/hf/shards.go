package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"stillhouse/checkpoints/folder"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

const (
	maxIndex  = 64 << 20 // bytes of an index; a large model's is a few MB
	maxShards = 10_000
)

// Shards are the weights of a folder, in one file or in several that an index
// brings together.
type Shards struct {
	files []*safetensors.File
	close []func() error
	at    map[string]*safetensors.File // by tensor
	names []string                     // sorted
}

// parseIndex reads a model.safetensors.index.json: the file of every tensor. The
// error says what is wrong with it.
func parseIndex(b []byte) (map[string]string, error) {
	if len(b) > maxIndex {
		return nil, fmt.Errorf("%d bytes, the most is %d", len(b), maxIndex)
	}
	if err := checkJSON(b); err != nil {
		return nil, err
	}
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, err
	}
	if len(index.Map) == 0 {
		return nil, errors.New("no weight_map")
	}
	files := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(index.Map)) {
		file := index.Map[name]
		if !folder.IsName(file) || !strings.HasSuffix(file, ".safetensors") {
			return nil, fmt.Errorf("%q is said to be in %q, which is no file name of safetensors", name, file)
		}
		files[file] = true
	}
	if len(files) > maxShards {
		return nil, fmt.Errorf("%d files, the most is %d", len(files), maxShards)
	}
	return index.Map, nil
}

// openShards opens the files that the index of folder name lists, each of which
// must hold the tensors that the index puts there and no others.
func openShards(fsys fs.FS, name string, index []byte) (*Shards, error) {
	where, err := parseIndex(index)
	if err != nil {
		return nil, fmt.Errorf("hf: %s: %w: %w", path.Join(name, IndexFile), ErrWeights, err)
	}
	s := &Shards{at: map[string]*safetensors.File{}}
	of := map[string]*safetensors.File{}
	for _, file := range slices.Compact(slices.Sorted(maps.Values(where))) {
		if of[file], err = s.open(fsys, name, file); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	var wrong []string
	for _, tensor := range slices.Sorted(maps.Keys(where)) {
		f := of[where[tensor]]
		if _, ok := f.Info(tensor); !ok {
			wrong = append(wrong, fmt.Sprintf("%q is not in %s, where the index puts it", tensor, where[tensor]))
		}
		s.at[tensor] = f
	}
	for _, file := range slices.Sorted(maps.Keys(of)) {
		for _, tensor := range of[file].Names() {
			if where[tensor] != file && !derived(tensor) {
				wrong = append(wrong, fmt.Sprintf("%q is in %s, where the index does not put it", tensor, file))
			}
		}
	}
	if wrong != nil {
		err := fmt.Errorf("hf: %s: %w:\n  %s", path.Join(name, IndexFile), ErrWeights, strings.Join(wrong, "\n  "))
		return nil, errors.Join(err, s.Close())
	}
	s.names = slices.Sorted(maps.Keys(s.at))
	return s, nil
}

// openSingle opens the one file of folder name.
func openSingle(fsys fs.FS, name string) (*Shards, error) {
	s := &Shards{at: map[string]*safetensors.File{}}
	f, err := s.open(fsys, name, WeightsFile)
	if err != nil {
		return nil, err
	}
	s.names = f.Names()
	for _, n := range s.names {
		s.at[n] = f
	}
	return s, nil
}

// open adds a file.
func (s *Shards) open(fsys fs.FS, name, file string) (*safetensors.File, error) {
	// Looking first keeps a pipe from blocking the open.
	info, err := fs.Stat(fsys, file)
	if err != nil {
		return nil, in(name, err)
	}
	whole := path.Join(name, file)
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("hf: %s is no file: %w", whole, safetensors.ErrFormat)
	}
	f, err := fsys.Open(file)
	if err != nil {
		return nil, fmt.Errorf("hf: %w", err)
	}
	r, ok := f.(io.ReaderAt)
	size := info.Size()
	if !ok { // an fs.FS need not have it
		b, err := io.ReadAll(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("hf: %s: %w", whole, err), f.Close())
		}
		r, size = bytes.NewReader(b), int64(len(b))
	}
	w, err := safetensors.New(whole, r, size)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("hf: %w", err), f.Close())
	}
	s.files, s.close = append(s.files, w), append(s.close, w.Close, f.Close)
	return w, nil
}

// Close closes the files; tensors that were read stay valid.
func (s *Shards) Close() error {
	var all []error
	for _, c := range s.close {
		all = append(all, c())
	}
	return errors.Join(all...)
}

// Names returns the names of the tensors, sorted.
func (s *Shards) Names() []string { return slices.Clone(s.names) }

// Files returns how many files there are.
func (s *Shards) Files() int { return len(s.files) }

// Info returns what its file says about the tensor of that name.
func (s *Shards) Info(name string) (safetensors.Info, bool) {
	if f := s.at[name]; f != nil {
		return f.Info(name)
	}
	return safetensors.Info{}, false
}

// Metadata returns the free text of the first file.
func (s *Shards) Metadata() map[string]string { return s.files[0].Metadata() }

// Read returns the tensor of that name, widened to F32 from half precision.
func (s *Shards) Read(name string) (*tensor.Tensor, error) { return s.file(name).Read(name) }

// ReadInto reads the tensor of that name into dst, which must have its shape.
func (s *Shards) ReadInto(name string, dst *tensor.Tensor) error {
	return s.file(name).ReadInto(name, dst)
}

// file returns the file of a tensor; for a name that is in none, any, which will
// say so.
func (s *Shards) file(name string) *safetensors.File {
	if f := s.at[name]; f != nil {
		return f
	}
	return s.files[0]
}
