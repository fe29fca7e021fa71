package distill

import (
	"fmt"
	"path/filepath"
	"strings"

	"stillhouse/checkpoints/gguf"
	"stillhouse/data/tokenizer"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Models of llama.cpp, read by what llama.cpp itself makes of a file: its arch
// llama, plain transformers, and granitehybrid, attention and Mamba-2. The names,
// orders and meanings below are those of src/models/{llama,granite-hybrid,
// mamba-base}.cpp and of load_hparams in src/llama-model.cpp. Nothing here is
// shared with what writes such files, so that reading one back proves something.

// ggufSuffix ends the path of such a file.
const ggufSuffix = ".gguf"

// huggingFaceKey holds a whole tokenizer.json.
const huggingFaceKey = "tokenizer.huggingface.json"

func isGGUF(source string) bool { return strings.EqualFold(filepath.Ext(source), ggufSuffix) }

// LoadGGUF reads a model from a GGUF file. What this reader does not know, or
// llama.cpp would not run, is refused by name. The tokenizer is there only if the
// file carries a tokenizer.json: llama.cpp's own form of it leaves out how text
// is split.
func LoadGGUF(path string) (*Loaded, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	l, err := loadGGUF(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l.Source = path
	return l, nil
}

func loadGGUF(f *gguf.File) (*Loaded, error) {
	c, err := ggufConfig(f)
	if err != nil {
		return nil, err
	}
	l := &Loaded{}
	if l.Model, err = layers.New(c, tensor.F32); err != nil {
		return nil, err
	}
	if err := loadGGUFWeights(l.Model, f); err != nil {
		return nil, err
	}
	if l.Folder, err = ggufTokenizer(f); err != nil || l.Folder == nil {
		return l, err
	}
	l.Tokenizer = l.Folder.Tokenizer
	return l, nil
}

// readGGUFConfig reads a file's sizes without its weights.
func readGGUFConfig(path string) (c layers.Config, err error) {
	f, err := gguf.Open(path)
	if err != nil {
		return c, err
	}
	defer f.Close()
	if c, err = ggufConfig(f); err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return c, err
}

// ggufTokenizer returns what a file says of its tokenizer, nil when it carries no
// tokenizer.json.
func ggufTokenizer(f *gguf.File) (*tokenizer.Folder, error) {
	b, ok, err := gguf.Get[string](f, huggingFaceKey)
	if err != nil || !ok {
		return nil, err
	}
	t, err := tokenizer.Parse([]byte(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", huggingFaceKey, err)
	}
	k := newGGUFKeys(f)
	id := func(name string) int32 { return int32(k.sizeOr("tokenizer.ggml."+name+"_token_id", -1)) }
	folder := &tokenizer.Folder{
		Tokenizer: t, BOS: id("bos"), EOS: id("eos"), Pad: id("padding"), Unk: id("unknown"),
		AddBOS: ggufValue(k, "tokenizer.ggml.add_bos_token", false), AddEOS: ggufValue(k, "tokenizer.ggml.add_eos_token", false),
		ChatTemplate: ggufValue(k, "tokenizer.chat_template", ""),
	}
	return folder, k.err()
}
