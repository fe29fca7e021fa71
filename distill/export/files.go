package export

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"stillhouse/checkpoints/folder"
	"stillhouse/checkpoints/gguf"
	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/data/tokenizer"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Source is what is handed out.
type Source struct {
	Model     *layers.Model
	Tokenizer *tokenizer.Description // nil: none
	Name      string                 // of the model, for people and for the name of a GGUF
	// Companions are files that go beside the weights as they are: tokenizer.json,
	// generation_config.json, … A GGUF has what it needs of them inside.
	Companions map[string][]byte
	MaxShard   int64 // bytes of one file of weights; 0: 5 GB
}

// Files are the contents of a model folder, ready to be written.
type Files struct {
	Format   Format
	DType    string
	Runtimes []Runtime // that load it and compute what the model computes
	Notes    []string  // on what is not as it was, a sentence each
	Inexact  bool      // more than rounding differs; Notes say what

	name       string
	config     []byte    // config.json
	meta       []gguf.KV // of a GGUF, instead
	weights    []weight
	companions map[string][]byte
	maxShard   int64
}

// weight is a value under the name it has in the format.
type weight struct {
	name string
	value
}

func (f *Files) add(name string, v value) { f.weights = append(f.weights, weight{name, v}) }

// matrix reports whether the weight is stored in the type asked for. Norms,
// biases, A, skip and convolutions are small and stay float32: llama.cpp wants
// them so, and the others convert what they read.
func (w weight) matrix() bool {
	return len(w.shape) == 2 && strings.HasSuffix(w.name, ".weight") && !strings.Contains(w.name, "norm") && !strings.Contains(w.name, "conv1d")
}

// dtypes are the types of matrices, in the words of config.json.
var dtypes = map[string]struct {
	safetensors safetensors.DType
	gguf        gguf.Type
	fileType    uint32 // general.file_type, a label
	short       string
}{
	"float32":  {safetensors.F32, gguf.F32, 0, "F32"},
	"float16":  {safetensors.F16, gguf.F16, 1, "F16"},
	"bfloat16": {safetensors.BF16, gguf.BF16, 32, "BF16"},
}

// Check says why a model of this configuration could not be written, before there
// is one: the error is then a *Refusal.
func Check(c *layers.Config, o Options) (err error) {
	if o.Format == "" {
		o.Format = FormatFor(c)
	}
	switch o.Format {
	case Granite:
		_, err = new(Files).graniteFits(c, o)
	case GGUF:
		_, err = new(Files).ggufFits(c, o)
	case Apriel:
		err = aprielFits(c, o)
	default:
		err = fmt.Errorf("unknown format %q: %s, %s or %s", o.Format, Granite, GGUF, Apriel)
	}
	return err
}

// Prepare says what a model's files will be, or why there can be none: the error
// is then a *Refusal. It reads no weights. It panics on an unknown type of weights.
func Prepare(s Source, o Options) (*Files, error) {
	if _, ok := dtypes[o.DType]; !ok {
		panic(fmt.Sprintf("export: Prepare: dtype %q, want float32, float16 or bfloat16", o.DType))
	}
	if o.Format == "" {
		o.Format = FormatFor(&s.Model.Config)
	}
	if err := Check(&s.Model.Config, o); err != nil {
		return nil, err
	}
	f, err := map[Format]func(*layers.Model, Options) (*Files, error){Granite: granite, GGUF: ggufFile, Apriel: apriel}[o.Format](s.Model, o)
	if err != nil {
		return nil, err
	}
	f.DType, f.name, f.companions, f.maxShard = o.DType, s.Name, s.Companions, s.MaxShard
	if o.Format == GGUF {
		keys, notes, err := tokenizerKeys(s.Tokenizer, s.Model.Config.VocabSize)
		if err != nil {
			return nil, err
		}
		f.meta = append(append(f.meta, gguf.KV{Key: "general.name", Value: s.Name}), keys...)
		if b := s.Companions[hf.TokenizerFile]; b != nil { // the whole of it, for readers that know it
			f.meta = append(f.meta, gguf.KV{Key: "tokenizer.huggingface.json", Value: string(b)})
		}
		f.Notes = append(f.Notes, notes...)
		f.companions = nil
	}
	return f, nil
}

// GGUFName is the name of a GGUF's file.
func (f *Files) GGUFName() string {
	return f.name + "-" + dtypes[f.DType].short + ".gguf"
}

// Save writes the files at dir, which must not exist, all of them or none; see
// [folder.Save] for finish.
func (f *Files) Save(dir string, finish func(temp string) ([]folder.File, error)) error {
	if f.Format == GGUF {
		file := folder.File{Name: f.GGUFName(), Write: f.writeGGUF}
		if err := folder.Save(dir, []folder.File{file}, finish); err != nil {
			return fmt.Errorf("save %s: %w", dir, err)
		}
		return nil
	}
	e := hf.Export{Config: f.config, Files: f.companions, MaxShard: f.maxShard, Finish: finish}
	for _, w := range f.weights {
		d := safetensors.F32
		if w.matrix() {
			d = dtypes[f.DType].safetensors
		}
		e.Weights = append(e.Weights, safetensors.Named{Name: w.name, DType: d, Shape: w.shape, Make: func() (*tensor.Tensor, error) { return w.load(), nil }})
	}
	return hf.Save(dir, e)
}

func (f *Files) writeGGUF(w io.Writer) error {
	infos := make([]gguf.Info, len(f.weights))
	for i, x := range f.weights {
		infos[i] = gguf.Info{Name: x.name, Type: gguf.F32, Shape: x.shape}
		if x.matrix() {
			infos[i].Type = dtypes[f.DType].gguf
		}
	}
	fw, err := gguf.NewWriter(w, f.meta, infos)
	if err != nil {
		return err
	}
	for _, x := range f.weights {
		if err := fw.Put(x.load()); err != nil {
			return err
		}
	}
	return fw.Close()
}

// Size returns the bytes of the weights as they will be stored.
func (f *Files) Size() (bytes int64) {
	for _, w := range f.weights {
		n := int64(product(w.shape))
		if w.matrix() && f.DType != "float32" {
			bytes += 2 * n
		} else {
			bytes += 4 * n
		}
	}
	return bytes
}

// DTypes lists the types of weights that can be written.
func DTypes() []string { return slices.Sorted(maps.Keys(dtypes)) }
