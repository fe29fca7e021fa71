package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"stillhouse/checkpoints"
	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// planAhead decides how many layers each stage replaces. Which ones is decided
// stage by stage, as far as the scores are known.
func (x *run) planAhead() error {
	r := x.recipe
	form := planForm(r.Plan)
	n := len(x.teacher.Model.Blocks)
	var p Plan
	if err := x.folder.ReadJSON(checkpoints.PlanFile, &p); err == nil {
		x.result.Plan = p // what was measured and decided once stays decided
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	x.result.Plan.Layers = n
	if form.Budget != nil && x.result.Plan.Cost == nil {
		x.o.Progress.Note(fmt.Sprintf("measure the cost of attention and Mamba at %d tokens", form.Budget.Context))
		cost, err := MeasureCost(x.pool, x.teacher.Model, mixerSpec(r.Student.Mixer), *form.Budget)
		if err != nil {
			return err
		}
		x.result.Plan.Cost = cost
		if err := x.folder.WriteJSON(checkpoints.PlanFile, x.result.Plan); err != nil {
			return err
		}
	}
	var err error
	x.counts, err = form.counts(n, len(x.scorer.candidates(x.teacher.Model)), x.result.Plan.Cost)
	return err
}

// stage runs one stage from wherever the run stands in it.
func (x *run) stage(ctx context.Context) error {
	i := x.at.Stage
	phases := x.recipe.StagePhases(i)
	x.o.Log.Info("stage begins", "stage", i, "of", len(x.counts), "phase", x.at.Phase, "step", x.at.Step)
	if !x.at.swapped {
		for _, step := range []func(stage int) error{x.evaluateTeacher, x.decide, x.swap} {
			if stop := x.interrupted(ctx); stop != nil {
				return stop // what was measured is in the run folder
			}
			if err := step(i); err != nil {
				return err
			}
		}
	}
	s, _ := x.stageOf(i)
	for x.at.Phase < len(phases) {
		ph := phase(phases[x.at.Phase], s.Replace, s.Mamba)
		title := fmt.Sprintf("stage %d/%d · %s", i, len(x.counts), ph.Name)
		if err := x.train(ctx, title, ph, x.teacher.Model); err != nil {
			return fmt.Errorf("stage %d: %w", i, err)
		}
		x.at.nextPhase()
		if x.recipe.Eval.Every == "phase" && x.at.Phase < len(phases) {
			if err := x.evaluate(fmt.Sprintf("stage-%d-%s", i, ph.Name), x.student); err != nil {
				return err
			}
		}
	}
	name := fmt.Sprintf("stage-%d", i)
	if !x.at.saved {
		if err := x.save(name, nil); err != nil {
			return err
		}
	}
	if stop := x.interrupted(ctx); stop != nil {
		return stop
	}
	if x.recipe.Eval.Every != "end" || i == len(x.counts) {
		if err := x.evaluate(name, x.student); err != nil {
			return err
		}
	}
	if err := x.gate(i); err != nil {
		return err
	}
	x.o.Log.Info("stage ends", "stage", i, "step", x.at.GlobalStep, "tokens", x.at.Tokens)
	x.at.nextStage()
	return nil
}

// decide completes the plan up to a stage: by the scores that are there, or by
// new ones of the student as it stands.
func (x *run) decide(i int) error {
	m := x.recipe.Importance
	if i > 1 && x.recipe.Plan.Rescore != nil {
		m = *x.recipe.Plan.Rescore
	}
	if len(x.scores) == 0 || i > 1 && x.recipe.Plan.Rescore != nil {
		s, err := x.scored(i, m)
		if err != nil {
			return err
		}
		x.scores = append(x.scores, StageScores{i, s})
	}
	if _, known := x.stageOf(i); known {
		return nil
	}
	st := next(i, x.counts[i-1], x.mamba(), x.scores[len(x.scores)-1].Order())
	x.result.Plan.Stages = append(x.result.Plan.Stages, st)
	x.o.Progress.Note(fmt.Sprintf("stage %d replaces %v  %s", i, st.Replace, st.Strip(x.result.Plan.Layers)))
	x.o.Log.Info("planned", "stage", i, "replace", st.Replace, "layers", st.Strip(x.result.Plan.Layers))
	return x.folder.WriteJSON(checkpoints.PlanFile, x.result.Plan)
}

// scored returns the scores of a stage, from the run folder if they are there.
func (x *run) scored(i int, m recipes.Importance) (importance.Scores, error) {
	file := checkpoints.ScoresFile(fmt.Sprintf("stage-%d-%s", i, m.Method))
	var s importance.Scores
	err := x.folder.ReadJSON(file, &s)
	if errors.Is(err, fs.ErrNotExist) {
		if s, err = x.scorer.score(m, x.student); err != nil {
			return s, err
		}
		x.o.Log.Info("scored", "stage", i, "method", m.Method, "seconds", s.Seconds, "tokens", s.Tokens)
		x.timing("scores", m.Method, s.Seconds)
		err = x.folder.WriteJSON(file, s)
	}
	if err != nil {
		return s, err
	}
	return s, x.event(Event{Type: "scores", Stage: i, Scores: &s})
}

// swap replaces the stage's layers in the student.
func (x *run) swap(i int) error {
	s, _ := x.stageOf(i)
	cal, err := x.scorer.calibrate()
	if err != nil {
		return fmt.Errorf("stage %d: %w", i, err)
	}
	spec := mixerSpec(x.recipe.Student.Mixer)
	x.student = x.student.Share()
	for _, l := range s.Replace {
		left := spec.leavesBehind(x.student, l)
		fit, err := Swap(x.pool, x.student, l, spec, x.recipe.Seed, cal)
		if err != nil {
			return fmt.Errorf("stage %d: %w", i, err)
		}
		if left != nil {
			x.o.Log.Warn("the weight transfer leaves behind", "layer", l, "what", strings.Join(left, "; "))
		}
		x.o.Log.Info("swapped", "stage", i, "layer", l, "mixer", spec.Kind, "init", spec.Init)
		if err := x.event(Event{Type: "swap", Stage: i, Swap: &SwapEvent{Layer: l, Mixer: spec.Kind, Init: spec.Init, Fit: fit, LeftBehind: left}}); err != nil {
			return err
		}
	}
	x.at.swapped = true
	return nil
}

// train runs one phase to its end.
func (x *run) train(ctx context.Context, title string, ph Phase, teacher *layers.Model) error {
	fill := x.stream.train(0)
	if x.o.rows != nil {
		fill = x.o.rows(fill)
	}
	ph.Targets = x.targets
	t, err := NewTrainer(x.pool, teacher, x.student, ph, fill, x.at.Position)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := x.restoreOptimizer(t); err != nil {
		return err
	}
	x.o.Log.Info("phase begins", "stage", x.at.Stage, "phase", ph.Name, "step", t.Step, "steps", ph.Schedule.Steps, "tokens_a_step", ph.Tokens(), "learning_rate", ph.Schedule.Peak)
	x.o.Progress.Begin(title, ph.Schedule.Steps)
	defer x.o.Progress.End()
	x.o.Progress.Advance(t.Step, "")
	began, first := time.Now(), t.Step
	for !t.Done() {
		// Once in a while: stop, or save.
		if stop := x.interrupted(ctx); stop != nil {
			if err := x.save("", t); err != nil {
				return fmt.Errorf("asked to stop, and the state could not be saved: %w", err)
			}
			return stop
		}
		if x.due(t) {
			if err := x.save("", t); err != nil {
				return err
			}
		}

		m, err := t.Train()
		if bad := isNonFinite(err); bad != nil {
			x.o.Progress.Note(bad.Error())
			x.o.Log.Warn("skipped a step", "stage", x.at.Stage, "phase", ph.Name, "step", t.Step, "why", bad)
			if err := x.event(Event{Type: "skip", Stage: x.at.Stage, Phase: ph.Name, Step: t.Step, Note: bad.Error()}); err != nil {
				return err
			}
			if bad.InARow >= maxInARow {
				if x.at.rollbacks++; x.at.rollbacks > maxRollbacks {
					return fmt.Errorf("%w (hint: a smaller learning_rate; the last checkpoint is whole)", bad)
				}
				if err := x.rollBack(t); err != nil {
					return err
				}
				note := fmt.Sprintf("rolled back to step %d, skipping %d batches", t.Step, len(t.Skip))
				x.o.Progress.Note(note)
				x.o.Log.Warn("rolled back", "stage", x.at.Stage, "phase", ph.Name, "step", t.Step, "skip", t.Skip)
				if err := x.event(Event{Type: "rollback", Stage: x.at.Stage, Phase: ph.Name, Step: t.Step, Note: note}); err != nil {
					return err
				}
			}
			continue
		}
		if err != nil {
			return err
		}
		x.at.Position = t.Position
		x.at.GlobalStep++
		x.at.Tokens += int64(ph.Tokens())
		x.o.Log.Debug("step", "stage", x.at.Stage, "phase", ph.Name, "step", t.Step, "loss", m.Loss, "grad_norm", m.GradNorm, "lr", m.LR)
		if t.Step%ph.LogEvery == 0 || t.Done() {
			if err := x.event(Event{Type: "step", Stage: x.at.Stage, Phase: ph.Name, Step: t.Step, Tokens: x.at.Tokens, Train: &m}); err != nil {
				return err
			}
		}
		speed := float64((t.Step-first)*ph.Tokens()) / time.Since(began).Seconds()
		x.o.Progress.Advance(t.Step, fmt.Sprintf("loss %.4f · %s tok/s", m.Loss, HumanCount(int64(speed))))
	}
	x.timing("train", title, time.Since(began).Seconds())
	x.o.Log.Info("phase ends", "stage", x.at.Stage, "phase", ph.Name, "step", t.Step, "seconds", time.Since(began).Seconds())
	return nil
}

// evaluate measures a model unless the run folder has it already.
func (x *run) evaluate(name string, m *layers.Model) error {
	file := path.Join(checkpoints.EvalDir, name+".json")
	var e Evaluation
	err := x.folder.ReadJSON(file, &e)
	if errors.Is(err, fs.ErrNotExist) {
		began := time.Now()
		x.o.Progress.Begin("evaluate "+name, 0)
		n := 0
		x.exam.Progress = func(what string, done, total int) {
			n++
			x.o.Progress.Advance(n, fmt.Sprintf("%s %d/%d", what, done, total))
		}
		e, err = x.exam.Evaluate(name, m)
		x.o.Progress.End()
		if err != nil {
			return err
		}
		x.timing("evaluate", name, time.Since(began).Seconds())
		err = x.folder.WriteJSON(file, e)
	}
	if err != nil {
		return err
	}
	x.result.Evaluations = append(x.result.Evaluations, e)
	x.o.Progress.Note(e.line())
	x.o.Log.Info("evaluated", "name", name, "layers", e.Strip, "kl", e.KL, "perplexity", e.Perplexity, "top1_agreement", e.Agreement)
	return x.event(Event{Type: "eval", Stage: x.at.Stage, Tokens: x.at.Tokens, Eval: &e})
}

// evaluateTeacher measures what all stages are compared with, before the first.
func (x *run) evaluateTeacher(stage int) error {
	if stage > 1 {
		return nil
	}
	return x.evaluate("teacher", x.teacher.Model)
}

// gate checks a stage's bound.
func (x *run) gate(i int) error {
	g := x.recipe.StageGate(i)
	if g == nil || len(x.result.Evaluations) == 0 {
		return nil
	}
	e := x.result.Evaluations[len(x.result.Evaluations)-1]
	v, ok := e.Metric(g.Metric)
	if ok && g.Passes(v) {
		return nil
	}
	bound := fmt.Sprintf("%s %.4g is outside its bound (stage %d)", g.Metric, v, i)
	if g.OnFail == "warn" {
		x.o.Progress.Note("warning: " + bound)
		x.o.Log.Warn("gate", "stage", i, "bound", bound)
		return x.event(Event{Type: "gate", Stage: i, Note: bound})
	}
	return fmt.Errorf("%s: %w", bound, ErrGate)
}
