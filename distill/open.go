package distill

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stillhouse/checkpoints"
	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/hub"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// Models come from more places than model folders: a run has a newest student,
// and so has a checkpoint. These functions find them without taking the run.

// modelDir is where a complete run keeps the student it came to.
const modelDir = "model"

// stateFile marks a checkpoint's folder.
const stateFile = "state.json"

// OpenModel reads a model from what a user names: a model folder, a file
// NAME.gguf, embedded:NAME, a run folder (its newest student) or a checkpoint's
// folder.
func OpenModel(source string) (*Loaded, error) {
	switch {
	case isRun(source):
		return newestStudent(source)
	case exists(filepath.Join(source, stateFile)):
		c, problems := checkpoints.Verify(source)
		if c == nil {
			return nil, fmt.Errorf("%v: %w", problems[0], checkpoints.ErrDamaged)
		}
		return checkpointModel(c, filepath.Dir(filepath.Dir(filepath.Clean(source))))
	}
	return LoadModel(source)
}

// RunOf returns the run folder that a source lies in, "" if it is in none.
func RunOf(source string) string {
	for _, dir := range []string{source, filepath.Join(source, ".."), filepath.Join(source, "..", "..")} {
		if isRun(dir) {
			return filepath.Clean(dir)
		}
	}
	return ""
}

// newestStudent returns the final model of a run, or its newest checkpoint's.
func newestStudent(dir string) (*Loaded, error) {
	if m := filepath.Join(dir, modelDir); exists(filepath.Join(m, hf.ConfigFile)) && exists(filepath.Join(dir, resultFile)) {
		return LoadModel(m)
	}
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	c, _, err := checkpoints.Latest(folder)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, fmt.Errorf("%s has no checkpoint yet (hint: stillhouse resume %s)", dir, dir)
	}
	return checkpointModel(c, dir)
}

// checkpointModel returns a checkpoint's student, with the tokenizer of the run.
func checkpointModel(c *checkpoints.Checkpoint, dir string) (*Loaded, error) {
	r, err := recipes.Load(filepath.Join(dir, checkpoints.RecipeFile), []string{"output_dir=" + dir}, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: the checkpoint's run: %w", c.Path, err)
	}
	t, err := OpenTeacher(r)
	if errors.Is(err, fs.ErrNotExist) && c.State.Stage == 0 {
		return nil, fmt.Errorf("%s: the teacher is still being trained (hint: stillhouse resume %s)", c.Path, dir)
	}
	if err != nil {
		return nil, err
	}
	m, _, err := studentOf(c, t.Model)
	if err != nil {
		return nil, err
	}
	return &Loaded{Model: m, Tokenizer: t.Tokenizer, Folder: t.Folder, Files: t.Files, Source: c.Path}, nil
}

// OpenTeacher reads a recipe's teacher: the one it names, or the one that its
// run has trained. The error wraps fs.ErrNotExist when that is still to be done.
func OpenTeacher(r *recipes.Recipe) (*Loaded, error) {
	source := r.Teacher.Path
	if r.Teacher.Train != nil {
		if source = filepath.Join(r.OutputDir, teacherDir); !exists(source) {
			return nil, fmt.Errorf("the recipe trains its teacher, and %s is not there yet: %w (hint: run the recipe first, or name another teacher)", source, fs.ErrNotExist)
		}
	}
	t, err := LoadModel(source)
	if err == nil && t.Tokenizer == nil {
		err = fmt.Errorf("%s has no %s: text cannot be read without it", source, hf.TokenizerFile)
	}
	return t, err
}

// ReadConfig reads a model's sizes without its weights; of a model on a Hub, or a
// folder without weights, off its config.json alone.
func ReadConfig(source string) (c layers.Config, err error) {
	if strings.HasPrefix(source, hub.Prefix) {
		return describedConfig(source)
	}
	if isGGUF(source) {
		return readGGUFConfig(source)
	}
	dir, err := modelFiles(source)
	if err != nil {
		return c, err
	}
	f, err := hf.OpenFS(dir, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return describedConfig(source)
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", source, err)
	}
	defer f.Close()
	if c, _, err = configOf(f.Config); err != nil {
		return c, fmt.Errorf("%s: %s: %w", source, hf.ConfigFile, err)
	}
	return c, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
