package distill

import (
	"stillhouse/checkpoints"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// TargetForecast is what the teacher's targets take on the disk, and what they
// save.
type TargetForecast struct {
	Dir     string `json:"dir"`
	Targets string `json:"targets"`
	Tokens  int64  `json:"tokens"` // that the run asks the teacher about, each once
	Bytes   int64  `json:"bytes"`  // of their targets
	Limit   int64  `json:"limit"`  // teacher.cache.max_size; 0: none
	Kept    int64  `json:"kept"`   // of the bytes: the smaller of the two
	Memory  int64  `json:"memory"` // that a step leaves out whose targets are there already: the teacher's pass
}

// targets adds up what a run asks the teacher about. Scorings read the same rows
// every time, and so do evaluations.
func (f *forecast) targets() (*TargetForecast, error) {
	c := f.recipe.Teacher.Cache
	if c == nil {
		return nil, nil
	}
	dir, err := targetsDir(c)
	if err != nil {
		return nil, err
	}
	teacher, err := layers.Outline(f.config, tensor.F32)
	if err != nil {
		return nil, err
	}
	t := &TargetForecast{Dir: dir, Targets: c.Targets, Limit: int64(c.MaxSize)}
	top := topOf(c, &f.config)
	add := func(terms []recipes.Term, tokens int64, length int) {
		o := objective(terms)
		if !o.NeedsTeacher() {
			return
		}
		t.Tokens += tokens
		t.Bytes += tokens*int64(layers.TargetBytes(&f.config, o, top)) + tokens/int64(length)*int64(checkpoints.CacheHeader)
	}
	steps := 0 // of the longest short distillation
	for i := range f.counts {
		for _, p := range f.recipe.StagePhases(i + 1) {
			add(p.Objective, p.Tokens(), p.Train.SequenceLen)
			need, err := memoryOfPass(f.threads, teacher, p.Train.BatchSize, p.Train.SequenceLen)
			if err != nil {
				return nil, err
			}
			t.Memory = max(t.Memory, need)
		}
		switch m := f.method(i + 1); m.Method {
		case "mmr":
			steps = max(steps, m.Steps)
		case "restore":
			steps = max(steps, m.Steps, m.RestoreSteps)
		}
	}
	train := f.recipe.Train
	add(f.recipe.Objective, int64(steps)*int64(train.TokensPerStep()), train.SequenceLen)
	if top == 0 {
		batches := f.recipe.Data.Validation.Batches
		if f.recipe.Eval.Batches > 0 {
			batches = f.recipe.Eval.Batches
		}
		length := f.recipe.Data.SequenceLen
		add([]recipes.Term{{Type: "forward_kl"}}, int64(batches)*int64(examined(train.BatchSize))*int64(length), length)
	}
	t.Kept = t.Bytes
	if t.Limit > 0 {
		t.Kept = min(t.Kept, t.Limit)
	}
	return t, nil
}

// memoryOfPass returns the bytes of a pass of a teacher on paper over batches of
// that size, which a step does without once its targets are on the disk.
func memoryOfPass(threads int, teacher *layers.Model, batch, length int) (int64, error) {
	p := layers.OnPaper(threads)
	pass, err := layers.NewPass(p, teacher, teacher.Batch(batch, length))
	if err != nil {
		return 0, err
	}
	return int64(pass.Memory() + p.Entered()), nil
}
