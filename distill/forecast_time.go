package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"stillhouse/checkpoints/hf"
	"stillhouse/checkpoints/hub"
	"stillhouse/data/tokenizer"
	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// TimeForecast is how long a run will take on this machine, from a few steps of
// each phase. Loading, checkpoints and the speed measurement at the end are not
// in it.
type TimeForecast struct {
	Seconds  float64 `json:"seconds"`
	Train    float64 `json:"train"`
	Scores   float64 `json:"scores"`
	Evaluate float64 `json:"evaluate"`
	Measured int     `json:"measured_steps"`
}

const (
	timedSteps   = 2                // of each phase, after one that warms up
	measureFor   = 20 * time.Second // then what is left is taken to be as fast as what was measured
	longestStep  = 10 * time.Second // more arithmetic than that is not tried
	roughPeak    = 0.2              // share of the processor's peak that steps reach at the least
	timedAnswers = askTogether      // task items timed of each task
)

// clock turns measured speeds into times.
type clock struct {
	*forecast
	pool     *layers.Pool
	teacher  *layers.Model
	began    time.Time
	rates    map[string]float64 // seconds a token, by what trains
	progress Progress
}

// measure fills in the times of a forecast.
func (f *forecast) measure(p *layers.Pool, progress Progress) error {
	switch {
	case p == nil:
		return nil
	case !f.Memory.Fits:
		f.NoTime = "it does not fit; " + f.atPeak(p)
		return nil
	}
	work := 0.0
	for _, s := range f.steps {
		if !s.trains() {
			continue
		}
		work = max(work, layers.StepArithmetic(&f.config, &f.config, s.phase.B*s.phase.T, s.phase.T))
	}
	if s := work / (layers.PeakFlops(p) * 1e9 * roughPeak); s > longestStep.Seconds() {
		f.NoTime = fmt.Sprintf("one step is %.3g operations, too long to try; %s", work, f.atPeak(p))
		return nil
	}
	m, err := layers.New(f.config, tensor.F32)
	if err != nil {
		return err
	}
	m.Init(1)
	c := &clock{forecast: f, pool: p, teacher: m, began: time.Now(), rates: map[string]float64{}, progress: progress}
	f.Time = &TimeForecast{}
	progress.Begin("measure a few steps of each phase", 0)
	defer progress.End()
	if err := c.training(); err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	if err := c.evaluations(); err != nil {
		return fmt.Errorf("measure: %w", err)
	}
	c.scorings()
	f.Time.Seconds = f.Time.Train + f.Time.Scores + f.Time.Evaluate
	return nil
}

// atPeak says how long the products of training alone would take if every one ran
// at the speed of the fastest: what a run cannot beat by much on this machine. The
// student counts as the teacher does, and all of it as trained.
func (f *forecast) atPeak(p *layers.Pool) string {
	work, peak := f.arithmetic(), layers.PeakFlops(p)*1e9
	return fmt.Sprintf("training is about %.2g operations, %s at this machine's %.0f GFLOP/s", work, longTime(work/peak), peak/1e9)
}

// arithmetic returns the useful operations of all phases.
func (f *forecast) arithmetic() (work float64) {
	add := func(ph recipes.ResolvedPhase, teacher *layers.Config) {
		work += layers.StepArithmetic(teacher, &f.config, 1, ph.Train.SequenceLen) * float64(ph.Tokens())
	}
	if ph, ok := f.recipe.TeacherPhase(); ok {
		add(ph, nil)
	}
	for i := range f.Stages {
		for _, ph := range f.recipe.StagePhases(i + 1) {
			add(ph, &f.config)
		}
	}
	for _, x := range f.recipe.Finish {
		if x.Type == "sft" {
			add(f.recipe.SFT(x), nil)
		}
	}
	return work
}

// longTime writes seconds that may be centuries, for which time.Duration is too
// short.
func longTime(s float64) string {
	const day, year = 24 * 3600, 365.25 * 24 * 3600
	switch {
	case s >= 2*year:
		return fmt.Sprintf("%.0f years", s/year)
	case s >= 2*day:
		return fmt.Sprintf("%.0f days", s/day)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// training times the phases.
func (c *clock) training() error {
	done := 0
	one := func(ph *PhaseForecast, r recipes.ResolvedPhase, teacher *layers.Model, fresh, mamba []int) error {
		c.progress.Advance(done, ph.Name)
		done++
		rate, known := c.rates[ph.Trainable]
		if !known || time.Since(c.began) < measureFor {
			student := c.teacher.Share()
			for _, l := range mamba {
				s := mixerSpec(c.recipe.Student.Mixer)
				s.Init = InitRandom
				if _, err := Swap(c.pool, student, l, s, 1, nil); err != nil {
					return err
				}
			}
			var err error
			if rate, err = c.secondsPerToken(phase(r, fresh, mamba), teacher, student); err != nil {
				return err
			}
			c.rates[ph.Trainable] = rate
		}
		ph.Seconds = rate * float64(ph.Tokens)
		c.Time.Train += ph.Seconds
		return nil
	}
	if p, ok := c.recipe.TeacherPhase(); ok {
		if err := one(c.Teacher.Train, p, nil, nil, nil); err != nil {
			return err
		}
	}
	for i := range c.Stages {
		var before []int
		if i > 0 {
			before = c.likely[i-1]
		}
		fresh := slices.DeleteFunc(slices.Clone(c.likely[i]), func(l int) bool { return slices.Contains(before, l) })
		for j, p := range c.recipe.StagePhases(i + 1) {
			if err := one(&c.Stages[i].Phases[j], p, c.teacher, fresh, c.likely[i]); err != nil {
				return err
			}
		}
	}
	for i, x := range c.recipe.Finish {
		if x.Type == "sft" && len(c.likely) > 0 {
			if err := one(&c.Finish[i], c.recipe.SFT(x), c.teacher, nil, c.likely[len(c.likely)-1]); err != nil {
				return err
			}
		}
	}
	return nil
}

// secondsPerToken times a few steps of a phase. Weights and tokens are random:
// what they are takes no time.
func (c *clock) secondsPerToken(ph Phase, teacher, student *layers.Model) (float64, error) {
	t, err := NewTrainer(c.pool, teacher, student, ph, randomTokens(student.Config.VocabSize), Position{})
	if err != nil {
		return 0, err
	}
	defer t.Close()
	best := 0.0
	for i := range 1 + timedSteps {
		began := time.Now()
		if _, err := t.Train(); err != nil && isNonFinite(err) == nil && !errors.Is(err, errNoGradient) {
			return 0, err
		}
		if s := time.Since(began).Seconds(); i == 1 || i > 1 && s < best {
			best = s
		}
		c.Time.Measured++
	}
	return best / float64(ph.Tokens()), nil
}

// evaluations times one held-out batch and some answers.
func (c *clock) evaluations() error {
	r := c.recipe
	x := &Examiner{Pool: c.pool, Teacher: c.teacher, B: examined(r.Train.BatchSize), T: r.Data.SequenceLen, Batches: 1}
	fill := randomTokens(c.config.VocabSize)
	x.Fill = func(i int, b *layers.Batch) error { return fill(int64(i), b) }
	batches := r.Data.Validation.Batches
	if r.Eval.Batches > 0 {
		batches = r.Eval.Batches
	}
	began := time.Now()
	if err := x.heldOut(&Evaluation{}, c.teacher); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	c.rates["forward"] = took / float64(2*x.B*x.T) // teacher and student
	one := took * float64(batches)
	if tok := c.tokenizer(); tok != nil {
		x.Tokenizer = tok
		s := newStream(r, tok)
		for _, t := range r.Eval.Tasks {
			items := t.Items
			t.Items = min(items, timedAnswers)
			qs, err := s.questions(t)
			if err != nil {
				return err
			}
			began := time.Now()
			for _, mode := range r.Eval.Modes {
				answer := x.likeliest
				if mode == "generate" {
					answer = x.generated
				}
				if _, err := answer(c.teacher, qs); err != nil {
					return err
				}
			}
			one += time.Since(began).Seconds() * float64(items) / float64(max(1, t.Items))
		}
	}
	c.Time.Evaluate = one * float64(c.examinations())
	return nil
}

// examinations counts the evaluations of a run.
func (c *clock) examinations() int {
	n := 1 + len(c.Stages) + len(c.Finish)
	switch c.recipe.Eval.Every {
	case "phase":
		for _, s := range c.Stages {
			n += max(0, len(s.Phases)-1)
		}
	case "end":
		n -= max(0, len(c.Stages)-1)
	}
	return n
}

// tokenizer returns the teacher's, nil if there is none to be had yet.
func (c *clock) tokenizer() *tokenizer.Tokenizer {
	source := c.recipe.Teacher.Path
	if c.recipe.Teacher.Train != nil {
		source = filepath.Join(c.Dir, teacherDir)
	}
	source, err := fetched(context.Background(), source, (*hub.Client).Config, Quiet{})
	if err != nil {
		return nil
	}
	dir, err := modelFiles(source)
	if err != nil {
		return nil
	}
	b, err := fs.ReadFile(dir, hf.TokenizerFile)
	if err != nil {
		return nil
	}
	tok, err := tokenizer.Parse(b)
	if err != nil || tok.Size() > c.config.VocabSize {
		return nil
	}
	return tok
}

// scorings adds up the scorings that are still to be done, by the tokens that
// they read and how fast the same was elsewhere. A race of probes is taken to last to
// its end: when places are settled only the losses tell.
func (c *clock) scorings() {
	train := 0.0
	for k, v := range c.rates {
		if k != "forward" {
			train = max(train, v)
		}
	}
	s := scorer{recipe: c.recipe}
	candidates := len(s.candidates(&layers.Model{Config: c.config}))
	for i := range c.Stages {
		if _, saved := c.saved[i+1]; saved || i > 0 && c.recipe.Plan.Rescore == nil {
			continue
		}
		m, left := c.method(i+1), candidates
		if i > 0 {
			left -= c.counts[i-1]
		}
		b, t, n := batchesOf(m.Calibration, c.recipe)
		sample := float64(b * t * n)
		step := float64(c.recipe.Train.TokensPerStep())
		switch m.Method {
		case "gate":
			c.Time.Scores += sample * train
		case "loo", "swap":
			c.Time.Scores += sample * float64(1+left) * c.rates["forward"]
		case "mmr":
			c.Time.Scores += step * float64(importance.MMRSteps(left, m.Steps, importance.Stop(m.Stop))) * train
		case "restore":
			c.Time.Scores += step*float64(m.Steps+left*m.RestoreSteps)*train + sample*float64(1+left)*c.rates["forward"]
		}
	}
}
