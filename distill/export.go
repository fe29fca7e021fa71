package distill

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"stillhouse/checkpoints"
	"stillhouse/checkpoints/folder"
	"stillhouse/checkpoints/hf"
	"stillhouse/data/tokenizer"
	"stillhouse/distill/export"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// Exported is what came of an export.
type Exported struct {
	Dir          string           `json:"dir"`
	File         string           `json:"file,omitempty"` // in it, of a GGUF
	Format       export.Format    `json:"format"`
	DType        string           `json:"dtype"`
	Bytes        int64            `json:"bytes"` // of weights
	Layers       string           `json:"layers"`
	Runtimes     []export.Runtime `json:"runtimes"`
	Notes        []string         `json:"notes,omitempty"`
	Verification *Verification    `json:"verification,omitempty"`
}

// ExportOptions say how a model is handed out.
type ExportOptions struct {
	export.Options
	Name     string // of the model, for people; "": the folder's
	Verify   bool
	MaxShard int64  // bytes of one weights file; 0: 5 GB
	Version  string // of this binary, for the card
	Progress Progress
}

// Export writes a model at dir as stock runtimes load it, with its tokenizer and
// a model card. With Verify, what was written is read back and compared before it
// takes its name; if it differs the error wraps ErrNotVerified and nothing is
// left. A model that the format cannot hold is an *export.Refusal.
func Export(p *layers.Pool, l *Loaded, dir string, o ExportOptions) (*Exported, error) {
	if o.Progress == nil {
		o.Progress = Quiet{}
	}
	companions, err := l.companions()
	if err != nil {
		return nil, err
	}
	if o.Name == "" {
		o.Name = filepath.Base(filepath.Clean(dir))
	}
	s := export.Source{Model: l.Model, Name: o.Name, Companions: companions, MaxShard: o.MaxShard}
	if l.Tokenizer != nil {
		d := l.describeTokenizer()
		s.Tokenizer = &d
	}
	f, err := export.Prepare(s, o.Options)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", l.Source, err)
	}
	x := &Exported{Dir: dir, Format: f.Format, DType: f.DType, Bytes: f.Size(), Layers: l.Model.Config.Strip(), Runtimes: f.Runtimes, Notes: f.Notes}
	if f.Format == export.GGUF {
		x.File = f.GGUFName()
	}
	err = f.Save(dir, func(temp string) ([]folder.File, error) {
		if o.Verify {
			o.Progress.Note("verify: read the files back, compare logits")
			v, err := verifyExport(p, l.Model, f, temp)
			if err != nil {
				return nil, err
			}
			if x.Verification = v; !v.Passed() {
				return nil, fmt.Errorf("%w: %v (hint: --verify=false writes them all the same; please report this)", ErrNotVerified, v)
			}
		}
		return []folder.File{folder.Bytes("README.md", x.card(o.Name, l, o.Version))}, nil
	})
	if err != nil {
		return nil, err
	}
	return x, nil
}

// companionFiles go with a model unchanged, where its folder has them.
var companionFiles = []string{
	hf.TokenizerFile, tokenizer.ConfigFile, tokenizer.ChatTemplateFile, "special_tokens_map.json", "added_tokens.json",
	"tokenizer.model", "vocab.json", "merges.txt", hf.GenerationFile,
}

// companions returns the files that go with the weights, and makes those that
// other programs cannot do without.
func (l *Loaded) companions() (map[string][]byte, error) {
	files := map[string][]byte{}
	if l.Files != nil {
		for _, name := range companionFiles {
			b, err := fs.ReadFile(l.Files, name)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			files[name] = b
		}
	}
	c := &l.Model.Config
	made := map[string]any{hf.GenerationFile: map[string]any{"bos_token_id": c.BOS, "eos_token_id": c.EOS}}
	if l.Tokenizer != nil {
		files[hf.TokenizerFile] = l.Tokenizer.JSON()
		made[tokenizer.ConfigFile] = l.tokenizerConfig()
	}
	for name, v := range made {
		if files[name] != nil {
			continue
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false) // names of tokens are full of < and >
		if err := e.Encode(v); err != nil {
			return nil, err
		}
		files[name] = b.Bytes()
	}
	return files, nil
}

// tokenizerConfig says what transformers must know beside tokenizer.json.
func (l *Loaded) tokenizerConfig() map[string]any {
	o := map[string]any{"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": false}
	if n := l.Model.Config.MaxPositions; n > 0 {
		o["model_max_length"] = n
	}
	d := l.describeTokenizer()
	for _, x := range []struct {
		key string
		id  int32
	}{{"bos_token", d.BOS}, {"eos_token", d.EOS}, {"pad_token", d.Pad}, {"unk_token", d.Unk}} {
		if x.id >= 0 {
			o[x.key] = d.Tokens[x.id]
		}
	}
	return o
}

func (l *Loaded) describeTokenizer() tokenizer.Description {
	if l.Folder != nil {
		return l.Folder.Describe()
	}
	return l.Tokenizer.Describe()
}

// handedOut is the run's student with all else that is the teacher's.
func (x *run) handedOut() *Loaded {
	l := *x.teacher
	l.Model, l.Source = x.student, x.result.Dir
	return &l
}

// exportDir is where a run puts what its recipe exports.
const exportDir = "export"

// export writes the student as the recipe asks, in place of what a run left that
// was killed right after.
func (x *run) export() error {
	e := x.recipe.Export
	if e == nil {
		return nil
	}
	dir := x.folder.Path(exportDir)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	o := ExportOptions{Options: exportOptions(*e), Name: x.recipe.Name, Verify: e.Verify, Version: x.o.Version, Progress: x.o.Progress}
	out, err := Export(x.pool, x.handedOut(), dir, o)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	x.result.Export = out
	x.o.Progress.Note(out.line())
	x.o.Log.Info("exported", "dir", dir, "format", out.Format, "verification", out.Verification)
	return nil
}

func exportOptions(e recipes.Export) export.Options {
	return export.Options{Format: export.Format(e.Format), DType: e.DType, Context: int(e.Context)}
}

// checkExport refuses a recipe whose student could not be exported, before the
// training rather than after it.
func checkExport(r *recipes.Recipe, teacher *layers.Config) error {
	if r.Export == nil || r.TeacherOnly() {
		return nil
	}
	c := teacher.Clone()
	for l, m := range c.Mixers {
		if m.Kind == layers.KindAttention && !slices.Contains(r.Student.KeepAttention, l) {
			c.Mixers[l] = mixerSpec(r.Student.Mixer).mixed(&c)
		}
	}
	if err := export.Check(&c, exportOptions(*r.Export)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// line is the export for people.
func (x *Exported) line() string {
	s := fmt.Sprintf("%s: %s, %s, %s; for %s", x.Dir, x.Format, x.DType, HumanBytes(x.Bytes), export.Names(x.Runtimes))
	if x.Verification != nil {
		s += "; " + x.Verification.String()
	}
	return s
}

// ErrNotVerified says that what was exported does not compute what it should.
var ErrNotVerified = fmt.Errorf("the exported files do not verify: %w", checkpoints.ErrDamaged)
