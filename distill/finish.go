package distill

import (
	"context"
	"fmt"
	"os"

	"stillhouse/checkpoints"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// finish runs one step after the last stage: sft trains on labels, merge
// averages the weights of checkpoints.
func (x *run) finish(ctx context.Context, f recipes.Finish) error {
	name := f.Name
	if name == "" {
		name = f.Type
	}
	if !x.at.saved {
		switch f.Type {
		case "sft":
			ph := phase(x.recipe.SFT(f), nil, x.mamba())
			if err := x.train(ctx, name, ph, x.teacher.Model); err != nil {
				return fmt.Errorf("finish %s: %w", name, err)
			}
			x.at.nextPhase()
		case "merge":
			if err := x.merge(f); err != nil {
				return fmt.Errorf("finish %s: %w", name, err)
			}
		}
		if err := x.save(name, nil); err != nil {
			return err
		}
	}
	if stop := x.interrupted(ctx); stop != nil {
		return stop
	}
	if err := x.evaluate(name, x.student); err != nil {
		return err
	}
	x.at.nextStage()
	return nil
}

// merge gives the student the weighted mean of some checkpoints' weights, the
// last step of Apriel-H1's recipe.
func (x *run) merge(f recipes.Finish) error {
	var paths []string
	for _, n := range f.Checkpoints {
		c, err := checkpoints.Find(x.folder, n)
		if err != nil {
			return err
		}
		paths = append(paths, c.Path)
	}
	file := x.folder.Path("merged.safetensors")
	if err := checkpoints.Average(file, paths, f.Weights); err != nil {
		return err
	}
	w, err := safetensors.Open(file)
	if err != nil {
		return err
	}
	defer func() {
		w.Close()       // read only: nothing can be lost
		os.Remove(file) // the checkpoint that follows holds the same
	}()
	x.student = x.student.Share()
	x.student.Own(func(p *layers.Param) bool { return true })
	if err := LoadWeights(x.student, w, nil); err != nil {
		return fmt.Errorf("%w (hint: checkpoints of one layout can be merged)", err)
	}
	return x.event(Event{Type: "merge", Stage: x.at.Stage, Note: fmt.Sprint(f.Checkpoints)})
}
