package distill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"stillhouse/checkpoints"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// GenerateReport is how fast models read and write, and what a context takes,
// against its length.
type GenerateReport struct {
	Source  string            `json:"source"`
	Threads int               `json:"threads"`
	ISA     string            `json:"isa"`
	Strips  map[string]string `json:"layers"` // by model
	Speeds  []Speed           `json:"speeds"` // by model and context, the teacher first
}

// namedModel is a model to measure.
type namedModel struct {
	name  string
	model *layers.Model
}

// BenchGenerate measures a model and the hybrids that can be made of it, or the
// teacher and the students of a run folder, one sequence, at each context.
func BenchGenerate(ctx context.Context, p *layers.Pool, source string, contexts []int, decode int, progress Progress) (*GenerateReport, error) {
	var models []namedModel
	recipe := filepath.Join(source, checkpoints.RecipeFile)
	if _, err := os.Stat(recipe); err == nil {
		if models, err = studentsOf(source, recipe); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", recipe, err)
	} else {
		l, err := LoadModel(source)
		if err != nil {
			return nil, err
		}
		if models, err = hybridsOf(p, l.Model); err != nil {
			return nil, err
		}
	}
	r := &GenerateReport{Source: source, Threads: p.Threads(), ISA: layers.ISA(), Strips: map[string]string{}}
	progress.Begin("measure speed against context", len(models)*len(contexts))
	defer progress.End()
	for i, m := range models {
		r.Strips[m.name] = m.model.Config.Strip()
		for j, n := range contexts {
			if ctx.Err() != nil {
				return nil, fmt.Errorf("bench generate: %w", ctx.Err())
			}
			progress.Advance(i*len(contexts)+j, fmt.Sprintf("%s at %d tokens", m.name, n))
			r.Speeds = append(r.Speeds, MeasureSpeed(p, m.name, m.model, []int{n}, decode)...)
		}
	}
	progress.Advance(len(models)*len(contexts), "")
	return r, nil
}

// hybridsOf returns a model and its hybrids with a quarter, a half, three
// quarters and all of its attention layers replaced, from the last on. Speed
// depends neither on which layers are replaced nor on the weights.
func hybridsOf(p *layers.Pool, teacher *layers.Model) ([]namedModel, error) {
	models := []namedModel{{"teacher", teacher}}
	attention := attentionOf(&teacher.Config)
	for quarter := 1; quarter <= 4; quarter++ {
		n := (quarter*len(attention) + 3) / 4
		if n == 0 || n == (((quarter-1)*len(attention))+3)/4 {
			continue // fewer than four layers: the same hybrid again
		}
		h, err := replaced(p, teacher, MixerSpec{Kind: layers.KindMamba2}, attention[len(attention)-n:])
		if err != nil {
			return nil, err
		}
		models = append(models, h)
	}
	return models, nil
}

// replaced returns a model with fresh mixers at the given layers: as fast, and as
// good as nothing.
func replaced(p *layers.Pool, teacher *layers.Model, s MixerSpec, ls []int) (namedModel, error) {
	h := teacher.Share()
	s.Init = InitRandom
	for _, l := range ls {
		if _, err := Swap(p, h, l, s, 1, nil); err != nil {
			return namedModel{}, err
		}
	}
	return namedModel{fmt.Sprintf("%d of %d Mamba", len(ls), len(attentionOf(&teacher.Config))), h}, nil
}

// studentsOf returns the teacher of a run and the student of each stage's end.
func studentsOf(dir, recipe string) ([]namedModel, error) {
	r, err := recipes.Load(recipe, nil, nil)
	if err != nil {
		return nil, err
	}
	path := r.Teacher.Path
	if r.Teacher.Train != nil {
		path = filepath.Join(dir, teacherDir)
	}
	l, err := LoadModel(path)
	if err != nil {
		return nil, fmt.Errorf("%s: teacher: %w", dir, err)
	}
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	list, _, err := checkpoints.List(folder) // damaged ones are not measured
	if err != nil {
		return nil, err
	}
	models := []namedModel{{"teacher", l.Model}}
	for _, c := range slices.Backward(list) { // oldest first
		if c.State.Name == "" || c.State.Stage == 0 {
			continue // not the end of a stage; the teacher's own training
		}
		m, _, err := studentOf(c, l.Model)
		if err != nil {
			return nil, err
		}
		models = append(models, namedModel{c.State.Name, m})
	}
	if len(models) == 1 && !r.TeacherOnly() {
		return nil, fmt.Errorf("%s: no stage has ended yet (hint: stillhouse resume %s)", dir, dir)
	}
	return models, nil
}

// WriteSVG draws decoding speed and memory against context length, side by side.
func (r *GenerateReport) WriteSVG(file string) error {
	curves := &Report{Speeds: r.Speeds}
	speed, state := NewFigure("Decoding speed"), NewFigure("Memory of one sequence")
	if !curves.decodeCurve(speed) || !curves.stateCurve(state) {
		return fmt.Errorf("figure: nothing was measured")
	}
	canvas := vgsvg.New(vg.Points(920), vg.Points(320))
	plots := [][]*plot.Plot{{speed, state}}
	tiles := draw.Tiles{Rows: 1, Cols: 2, PadX: vg.Points(18), PadTop: vg.Points(4), PadBottom: vg.Points(4), PadRight: vg.Points(8)}
	for i, c := range plot.Align(plots, tiles, draw.New(canvas))[0] {
		plots[0][i].Draw(c)
	}
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return fmt.Errorf("figure: %w", err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("figure: %w (hint: --svg takes a file in a folder that exists)", err)
	}
	return nil
}
