package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/data"
	"stillhouse/data/tokenizer"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// teacherDir is where a run keeps the teacher it trained.
const teacherDir = "teacher"

// tokenizerBytes is how much text a tokenizer is trained on.
const tokenizerBytes = 4 << 20

// loadTeacher reads the teacher, or trains it first: stage 0.
func (x *run) loadTeacher(ctx context.Context) error {
	t := x.recipe.Teacher
	err := fetchAll(ctx, x.recipe, x.o.Progress)
	if err != nil {
		return err
	}
	if t.Train == nil {
		if x.teacher, err = LoadModel(t.Path); err == nil && x.teacher.Tokenizer == nil {
			err = fmt.Errorf("%s has no %s: text cannot be read without it", t.Path, hf.TokenizerFile)
		}
		return err
	}
	c := geometryConfig(t.Train.Geometry)
	if err := checkExport(x.recipe, &c); err != nil {
		return err
	}
	dir := x.folder.Path(teacherDir)
	if _, err := os.Stat(dir); err == nil {
		c, err := x.newest()
		if err != nil {
			return err
		}
		if c == nil || c.State.Stage > 0 || c.State.Name != "" {
			x.teacher, err = LoadModel(dir)
			return err
		}
		// The checkpoint of the teacher's end is lost. From an older one it is
		// trained to the same bits, and metrics.jsonl to the same lines.
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("train the teacher again: %w", err)
		}
	}
	tok, err := x.tokenizer(*t.Train)
	if err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	x.stream = newStream(x.recipe, tok)
	x.stream.note = x.o.Progress.Note
	if err := x.trainTeacher(ctx, tok); err != nil {
		return err
	}
	dtype := map[string]safetensors.DType{"float32": safetensors.F32, "bfloat16": safetensors.BF16, "float16": safetensors.F16}[t.Train.DType]
	if err := SaveModel(dir, &Loaded{Model: x.student, Tokenizer: tok}, dtype); err != nil {
		return err
	}
	// What was written is what is used: it may have been rounded.
	x.teacher, err = LoadModel(dir)
	return err
}

// tokenizer reads the recipe's tokenizer, or trains one on a sample of the
// training text.
func (x *run) tokenizer(t recipes.TeacherTrain) (*tokenizer.Tokenizer, error) {
	if t.Tokenizer.Path != "" {
		return tokenizer.Load(t.Tokenizer.Path)
	}
	b, err := x.folder.ReadFile(hf.TokenizerFile)
	if err == nil {
		return tokenizer.Parse(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	x.o.Progress.Note(fmt.Sprintf("train a tokenizer of %d tokens", t.Tokenizer.VocabSize))
	tok, err := trainTokenizer(x.recipe)
	if err != nil {
		return nil, err
	}
	return tok, x.folder.WriteFile(hf.TokenizerFile, tok.JSON())
}

// trainTokenizer trains the tokenizer of a recipe's own teacher.
func trainTokenizer(r *recipes.Recipe) (*tokenizer.Tokenizer, error) {
	c := dataConfig(r, r.Data.SequenceLen)
	if err := fetchedSources(&c); err != nil {
		return nil, err
	}
	texts, err := data.Sample(c, tokenizerBytes)
	if err != nil {
		return nil, err
	}
	return tokenizer.Train(slices.Values(texts), tokenizer.TrainOptions{VocabSize: r.Teacher.Train.Tokenizer.VocabSize})
}

// trainTeacher trains x.student from scratch by cross entropy.
func (x *run) trainTeacher(ctx context.Context, tok *tokenizer.Tokenizer) error {
	c := teacherConfig(x.recipe.Teacher.Train.Geometry, tok)
	m, err := layers.New(c, tensor.F32)
	if err != nil {
		return fmt.Errorf("teacher.train.geometry: %w", err)
	}
	m.Init(x.recipe.Seed)
	x.student = m
	k, err := x.newest()
	if err != nil {
		return err
	}
	if k != nil {
		x.teacher = &Loaded{Model: m} // the shape to restore into
		if err := x.restoreFrom(k); err != nil {
			return err
		}
	} else if err := x.folder.Metrics.Truncate(0); err != nil {
		return err
	}
	x.o.Progress.Note(fmt.Sprintf("teacher: %d layers, width %d, %s parameters, from scratch", c.Layers(), c.HiddenSize, HumanCount(int64(m.Size()))))
	if !x.at.saved {
		rp, _ := x.recipe.TeacherPhase()
		if err := x.train(ctx, "teacher", phase(rp, nil, nil), nil); err != nil {
			return err
		}
		x.at.nextPhase()
		if err := x.save("teacher", nil); err != nil {
			return err
		}
	}
	x.at = cursor{Stage: 1, GlobalStep: x.at.GlobalStep, Tokens: x.at.Tokens}
	return nil
}

func teacherConfig(g recipes.Geometry, tok *tokenizer.Tokenizer) layers.Config {
	c := geometryConfig(g)
	if c.VocabSize == 0 {
		c.VocabSize = tok.Size()
	}
	for _, s := range []struct {
		name string
		id   *int
	}{{tokenizer.BOS, &c.BOS}, {tokenizer.EOS, &c.EOS}} {
		if id, ok := tok.Special(s.name); ok {
			*s.id = int(id)
		}
	}
	return c
}

// geometryConfig is teacherConfig as far as it goes without a tokenizer.
func geometryConfig(g recipes.Geometry) layers.Config {
	c := layers.Config{
		VocabSize: g.VocabSize, HiddenSize: g.HiddenSize, Intermediate: g.Intermediate, Heads: g.Heads, KVHeads: g.KVHeads,
		HeadDim: g.HeadDim, RopeTheta: g.RopeTheta, NormEps: g.NormEps, Tied: g.Tied, MaxPositions: int(g.MaxPositions),
	}
	if c.HeadDim == 0 {
		c.HeadDim = g.HiddenSize / g.Heads
	}
	for range g.Layers {
		c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
	}
	return c
}

// SaveModel writes a model folder of our own, with the files that go with the
// model, in one step: all of it or nothing. dtype "" keeps the weights' type.
func SaveModel(dir string, l *Loaded, dtype safetensors.DType) error {
	config, err := encodeConfig(&l.Model.Config)
	if err != nil {
		return fmt.Errorf("save %s: %w", dir, err)
	}
	files, err := l.companions()
	if err != nil {
		return fmt.Errorf("save %s: %w", dir, err)
	}
	return hf.Save(dir, hf.Export{Config: config, Weights: Named(l.Model, dtype), Files: files})
}
