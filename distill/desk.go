package distill

import (
	"context"
	"fmt"

	"stillhouse/data"
	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// Desk takes single steps of the method on a recipe's teacher, without a run
// folder: what it finds, a run of the recipe finds too.
type Desk struct {
	recipe  *recipes.Recipe
	teacher *Loaded
	exam    *Examiner
	scorer  *scorer
}

// NewDesk prepares the data and the tasks of a recipe for its teacher.
func NewDesk(p *layers.Pool, r *recipes.Recipe, teacher *Loaded, progress Progress) (*Desk, error) {
	if err := r.Check(len(teacher.Model.Blocks)); err != nil {
		return nil, err
	}
	s := newStream(r, teacher.Tokenizer).speaking(teacher)
	exam, err := newExaminer(p, r, s, teacher)
	if err != nil {
		return nil, err
	}
	return &Desk{r, teacher, exam, &scorer{pool: p, recipe: r, teacher: teacher.Model, stream: s, examiner: exam, progress: progress}}, nil
}

// newExaminer makes the examination that a recipe asks for.
func newExaminer(p *layers.Pool, r *recipes.Recipe, s *stream, teacher *Loaded) (*Examiner, error) {
	x := &Examiner{
		Pool: p, Teacher: teacher.Model, Tokenizer: teacher.Tokenizer, Modes: r.Eval.Modes,
		B: examined(r.Train.BatchSize), T: r.Data.SequenceLen, Batches: r.Data.Validation.Batches,
		Fill: s.batches(data.Validation, 0), Tasks: map[string][]Question{}, Stop: lineEnds(teacher.Tokenizer),
	}
	if s.frame != nil {
		x.Stop = append(x.Stop, s.frame.EOS)
	}
	if r.Eval.Batches > 0 {
		x.Batches = r.Eval.Batches
	}
	for _, t := range r.Eval.Tasks {
		qs, err := s.questions(t)
		if err != nil {
			return nil, err
		}
		x.Tasks[t.Name] = qs
		x.TaskNames = append(x.TaskNames, t.Name)
	}
	return x, nil
}

// Score ranks the attention layers of the teacher by one method.
func (d *Desk) Score(m recipes.Importance) (importance.Scores, error) {
	return d.scorer.score(m, d.teacher.Model)
}

// Evaluate measures a model against the teacher. The vocabularies must be one.
func (d *Desk) Evaluate(ctx context.Context, name string, m *layers.Model) (e Evaluation, err error) {
	if err := ctx.Err(); err != nil {
		return e, ErrInterrupted
	}
	if have, want := m.Config.VocabSize, d.teacher.Model.Config.VocabSize; have != want {
		return e, fmt.Errorf("%s has %d tokens in its vocabulary, the teacher %s has %d: their logits cannot be compared (hint: --teacher with the model it was made from)", name, have, d.teacher.Source, want)
	}
	p := d.scorer.progress
	p.Begin("evaluate "+name, 0)
	defer p.End()
	n := 0
	d.exam.Progress = func(what string, done, total int) {
		n++
		p.Advance(n, fmt.Sprintf("%s %d/%d", what, done, total))
	}
	return d.exam.Evaluate(name, m)
}
