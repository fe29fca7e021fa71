package hf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"stillhouse/checkpoints/internal/durable"
	"stillhouse/checkpoints/safetensors"
)

// Export is a model folder to be written.
type Export struct {
	Config   []byte // of config.json
	Weights  []safetensors.Named
	MaxShard int64             // the most bytes of weights in one file; 0: 5 GB
	Metadata map[string]string // of every weights file; nil: {"format": "pt"}, which transformers insists on
	Files    map[string][]byte // others by name: TokenizerFile, GenerationFile, ...
}

// StillhouseConfig returns the config.json of a model of our own: model_type
// stillhouse and the object, as Config.Stillhouse gives it back.
func StillhouseConfig(object json.RawMessage) ([]byte, error) {
	b, err := json.MarshalIndent(struct {
		ModelType  string          `json:"model_type"`
		Stillhouse json.RawMessage `json:"stillhouse"`
	}{"stillhouse", object}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("hf: encode config.json: %w", err)
	}
	return append(b, '\n'), nil
}

// Save writes a model folder at dir, which must not exist: all of it or, after
// an error, a kill or a power cut, none. What a kill leaves is called
// .tmp-NAME-… and can be deleted. Weights that together exceed MaxShard are dealt
// out to several files under an index. It panics when a name in Files is a path
// or a file that Save writes itself.
func Save(dir string, e Export) error {
	if err := save(durable.OS(), dir, e); err != nil {
		return fmt.Errorf("hf: save %s: %w", dir, durable.Hint(err))
	}
	return nil
}

func save(ops durable.Ops, dir string, e Export) error {
	for name := range e.Files {
		if !isBase(name) || name == ConfigFile || isWeights(name) {
			panic(fmt.Sprintf("hf: Save: %q among the other files", name))
		}
	}
	if !json.Valid(e.Config) {
		panic(fmt.Sprintf("hf: Save: the %d bytes of config.json are not JSON", len(e.Config)))
	}
	if e.Metadata == nil {
		e.Metadata = map[string]string{"format": "pt"}
	}
	dir = filepath.Clean(dir)
	// An empty folder gives way to a rename; nothing else does.
	switch entries, err := ops.ReadDir(dir); {
	case err == nil && len(entries) > 0:
		return fmt.Errorf("%w and is not empty (hint: name another folder, or delete it)", fs.ErrExist)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o777); err != nil {
		return err
	}
	temp := filepath.Join(filepath.Dir(dir), fmt.Sprintf("%s%s-%d", durable.TempPrefix, filepath.Base(dir), os.Getpid()))
	if err := ops.RemoveAll(temp); err != nil { // of a process that had our number
		return err
	}
	return ops.Folder(temp, dir, 0o777, func() error {
		put := func(name string, write func(io.Writer) error) error {
			_, err := ops.Stream(filepath.Join(temp, name), 0o666, write)
			return err
		}
		files := maps.Clone(e.Files)
		if files == nil {
			files = map[string][]byte{}
		}
		files[ConfigFile] = e.Config
		shards := split(e.Weights, e.MaxShard)
		if len(shards) > 1 {
			files[IndexFile] = indexOf(shards)
		}
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := put(name, func(w io.Writer) error { _, err := io.Copy(w, bytes.NewReader(files[name])); return err }); err != nil {
				return err
			}
		}
		for i, weights := range shards {
			write := func(w io.Writer) error { return safetensors.Write(w, weights, e.Metadata) }
			if err := put(shardFile(i, len(shards)), write); err != nil {
				return err
			}
		}
		return nil
	})
}
