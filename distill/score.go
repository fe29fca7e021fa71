package distill

import (
	"errors"
	"fmt"
	"slices"

	"stillhouse/data"
	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// scorer runs the importance methods of a recipe.
type scorer struct {
	pool     *layers.Pool
	recipe   *recipes.Recipe
	teacher  *layers.Model
	stream   *stream
	examiner *Examiner // for loo by task accuracy
	progress Progress
	targets  *TargetCache // of the teacher, nil: none are kept
	cached   Calibrate    // the calibration set, once it was asked for, where it is kept whole
}

// score ranks the attention layers of the student as it stands.
func (s *scorer) score(m recipes.Importance, student *layers.Model) (importance.Scores, error) {
	candidates := s.candidates(student)
	if len(candidates) == 0 {
		return importance.Scores{Method: m.Method}, nil
	}
	seed := m.Seed
	if seed == 0 {
		seed = s.recipe.Seed
	}
	p := importance.Probe{
		Pool: s.pool, Teacher: s.teacher, Student: student, Layers: candidates, Seed: seed,
		Fill: s.stream.batches(data.Train, calibrationRows),
	}
	p.B, p.T, p.Batches = batchesOf(m.Calibration, s.recipe)
	s.progress.Begin("score layers by "+m.Method, 0)
	defer s.progress.End()
	p.Progress = func(done, total int) { s.progress.Advance(done, fmt.Sprintf("%d of %d", done, total)) }
	replace := func(model *layers.Model, l int) error {
		cal, err := s.calibrate()
		if err != nil {
			return err
		}
		_, err = Swap(s.pool, model, l, mixerSpec(s.recipe.Student.Mixer), s.recipe.Seed, cal)
		return err
	}
	switch m.Method {
	case "gate":
		return importance.Gate(p, m.Labels == "sampled")
	case "loo":
		return importance.LOO(p, importance.Metric(m.Metric), m.Scope == "block", s.examiner.meanAccuracy)
	case "swap":
		return importance.Swap(p, replace)
	case "mmr":
		p.OneByOne = !keepsSample(s.recipe, &s.teacher.Config) // a fit's sample is large, and its pass uses all threads
		if _, err := s.calibrate(); err != nil {               // once, before all layers ask for it at a time
			return importance.Scores{}, err
		}
		return importance.MMR(p, replace, s.gather(m, student), m.Steps, importance.Stop(m.Stop))
	case "restore":
		return importance.Restore(p, replace, s.start(m, max(m.Steps, m.RestoreSteps)), m.Steps, m.RestoreSteps)
	}
	return importance.Baseline(m.Method, candidates, seed, m.Layers)
}

// candidates returns the attention layers that may be replaced.
func (s *scorer) candidates(m *layers.Model) (ls []int) {
	for l, x := range m.Config.Mixers {
		if x.Kind == layers.KindAttention && !slices.Contains(s.recipe.Student.KeepAttention, l) {
			ls = append(ls, l)
		}
	}
	return ls
}

// fewTokens in a batch take next to no memory and keep all threads busy.
const fewTokens = 512

// batchesOf turns a number of calibration sequences into batches: of at most 8, and
// of no more tokens than train.per_device_train_batch_size gives a step, or
// fewTokens, or one sequence. Scoring and fitting then take no more memory than training does. A
// batch is a detail of the arithmetic: the sample is the same, and what is a mean
// over sequences too, but for rounding. What loo and swap average over batches first
// weighs their sequences by tokens within one.
func batchesOf(c recipes.Calibration, r *recipes.Recipe) (b, t, n int) {
	if t = c.SequenceLen; t == 0 {
		t = r.Data.SequenceLen
	}
	n = max(1, c.Sequences)
	b = min(8, n, max(1, max(fewTokens, r.Train.BatchSize*r.Train.SequenceLen)/t))
	return b, t, (n + b - 1) / b
}

// probePhase is the short distillation of mmr and restore: the recipe's
// objective, a constant learning rate.
func (s *scorer) probePhase(m recipes.Importance, steps int) Phase {
	t := s.recipe.Train
	return Phase{
		Name: "probe", Targets: s.targets, Objective: objective(s.recipe.Objective),
		Schedule: Schedule{Type: "constant", Peak: m.LearningRate, Warmup: min(10, steps/10), Steps: steps},
		B:        t.BatchSize, T: t.SequenceLen, Accumulate: t.Accumulation, MaxNorm: t.MaxGradNorm,
		AdamW: layers.AdamWConfig{Beta1: t.Beta1, Beta2: t.Beta2, Epsilon: t.Epsilon, WeightDecay: t.WeightDecay},
	}
}

// gather begins the probes of mmr, on rows that training never reaches.
func (s *scorer) gather(m recipes.Importance, student *layers.Model) importance.Gather {
	return func(models []*layers.Model, ls []int) importance.Cohort {
		return newCohort(s.pool, s.teacher, student, s.probePhase(m, m.Steps), s.stream.train(probeRows), models, ls)
	}
}

// start begins the short distillations of restore, on the same rows.
func (s *scorer) start(m recipes.Importance, steps int) importance.Start {
	return func(model *layers.Model, train []int) (importance.Trial, error) {
		ph := s.probePhase(m, steps)
		ph.Trainable = []Group{{Match: mixersOf(train), LRScale: 1}}
		tr, err := NewTrainer(s.pool, s.teacher, model, ph, s.stream.train(probeRows), Position{})
		if err != nil {
			return nil, err
		}
		return &trial{tr}, nil
	}
}

// trial is a Trainer as the scorers see it.
type trial struct{ *Trainer }

// Train takes steps and returns their losses. A loss that is not finite is
// reported as it is. No gradient at no loss is no error here: the mixers do what
// their layers did from the start.
func (t *trial) Train(steps int) (losses []float64, err error) {
	for range steps {
		m, err := t.Trainer.Train()
		if err != nil && isNonFinite(err) == nil && !(m.Loss == 0 && errors.Is(err, errNoGradient)) {
			return nil, err
		}
		losses = append(losses, m.Loss)
	}
	return losses, nil
}

// Tokens returns how many tokens were trained on.
func (t *trial) Tokens() int64 { return int64(t.Step) * int64(t.Phase.Tokens()) }
