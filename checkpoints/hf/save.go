package hf

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"

	"stillhouse/checkpoints/folder"
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
	// Finish, if not nil, reads what was written before it takes its name, refuses
	// it or adds to it; see [folder.Save].
	Finish func(temp string) ([]folder.File, error)
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
		return fmt.Errorf("hf: save %s: %w", dir, err)
	}
	return nil
}

func save(ops durable.Ops, dir string, e Export) error {
	for name := range e.Files {
		if !folder.IsName(name) || name == ConfigFile || isWeights(name) {
			panic(fmt.Sprintf("hf: Save: %q among the other files", name))
		}
	}
	if !json.Valid(e.Config) {
		panic(fmt.Sprintf("hf: Save: the %d bytes of config.json are not JSON", len(e.Config)))
	}
	if e.Metadata == nil {
		e.Metadata = map[string]string{"format": "pt"}
	}
	all := maps.Clone(e.Files)
	if all == nil {
		all = map[string][]byte{}
	}
	all[ConfigFile] = e.Config
	shards := split(e.Weights, e.MaxShard)
	if len(shards) > 1 {
		all[IndexFile] = indexOf(shards)
	}
	var files []folder.File
	for _, name := range slices.Sorted(maps.Keys(all)) {
		files = append(files, folder.Bytes(name, all[name]))
	}
	for i, weights := range shards {
		files = append(files, folder.File{Name: shardFile(i, len(shards)), Write: func(w io.Writer) error {
			return safetensors.Write(w, weights, e.Metadata)
		}})
	}
	return folder.SaveOn(ops, dir, files, e.Finish)
}
