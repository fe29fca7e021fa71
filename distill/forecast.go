package distill

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"stillhouse/checkpoints"
	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// Forecast is what a run of a recipe will do and take, before any of it is
// done. It reads sizes, not weights, and writes nothing.
type Forecast struct {
	Dir     string          `json:"dir"`
	State   RunState        `json:"state"` // of that folder; "" when there is no run yet
	Teacher TeacherForecast `json:"teacher"`
	Stages  []StageForecast `json:"stages"`
	Finish  []PhaseForecast `json:"finish"`
	Tokens  int64           `json:"tokens"` // trained on, all phases
	Memory  MemoryForecast  `json:"memory"`
	Targets *TargetForecast `json:"teacher_cache,omitempty"` // nil when none are kept
	Time    *TimeForecast   `json:"time,omitempty"`          // nil when nothing was measured
	NoTime  string          `json:"no_time,omitempty"`
}

// TeacherForecast is the teacher, and its training if that comes first.
type TeacherForecast struct {
	Source     string         `json:"source"`
	Layers     string         `json:"layers"`
	Parameters int64          `json:"parameters"`
	Train      *PhaseForecast `json:"train,omitempty"`
}

// StageForecast is one stage. Which layers it replaces is known when scores are
// there that decide it, or none are needed.
type StageForecast struct {
	Index      int             `json:"index"`
	Mamba      int             `json:"mamba_layers"` // after it
	Replace    []int           `json:"replace"`      // nil: for scores to say
	Strip      string          `json:"layers"`       // ? where scores will say
	By         string          `json:"by"`           // what decides
	Parameters int64           `json:"parameters"`   // of the student
	Phases     []PhaseForecast `json:"phases"`
}

// PhaseForecast is one phase of training.
type PhaseForecast struct {
	Name         string  `json:"name"`
	Trainable    string  `json:"trainable"`
	Steps        int     `json:"steps"`
	Tokens       int64   `json:"tokens"`
	LearningRate float64 `json:"learning_rate"`
	Seconds      float64 `json:"seconds,omitempty"`
}

// forecast is a Forecast being made.
type forecast struct {
	Forecast
	recipe  *recipes.Recipe
	config  layers.Config // the teacher's
	form    PlanForm
	saved   map[int]importance.Scores
	plan    Plan // as the run folder has it
	counts  []int
	steps   []trainingStep // all that train, on paper
	threads int
	likely  [][]int // Mamba layers after each stage, or as good as
}

// NewForecast makes the forecast of a recipe. ram is the memory of the machine,
// 0 if not known. With a pool it takes a few steps of every phase on random
// weights and tokens to tell the time; without one it tells none.
func NewForecast(r *recipes.Recipe, ram int64, p *layers.Pool, progress Progress) (*Forecast, error) {
	f := &forecast{recipe: r, form: planForm(r.Plan), saved: map[int]importance.Scores{}, threads: threadsOf(r)}
	if p != nil {
		f.threads = p.Threads()
	}
	f.Dir, f.Finish, f.Stages = r.OutputDir, []PhaseForecast{}, []StageForecast{}
	if err := f.readTeacher(); err != nil {
		return nil, err
	}
	if err := r.Check(f.config.Layers()); err != nil {
		return nil, err
	}
	if err := f.readRun(); err != nil {
		return nil, err
	}
	var err error
	if r.TeacherOnly() {
		if f.Memory, err = f.forecastMemory(ram); err != nil {
			return nil, err
		}
		f.Tokens = f.Teacher.Train.Tokens
		return &f.Forecast, f.measure(p, progress)
	}
	if err := f.count(p, ram); err != nil {
		return nil, err
	}
	if err := f.stages(); err != nil {
		return nil, err
	}
	if f.Memory, err = f.forecastMemory(ram); err != nil {
		return nil, err
	}
	for _, x := range r.Finish {
		ph := PhaseForecast{Name: x.Name, Trainable: "weights are averaged"}
		if x.Type == "sft" {
			ph = phaseForecast(r.SFT(x))
		}
		f.Finish = append(f.Finish, ph)
	}
	for _, ph := range f.phases() {
		f.Tokens += ph.Tokens
	}
	if f.Targets, err = f.targets(); err != nil {
		return nil, err
	}
	return &f.Forecast, f.measure(p, progress)
}

// phases are all that train, in their order.
func (f *forecast) phases() (ps []*PhaseForecast) {
	if f.Teacher.Train != nil {
		ps = append(ps, f.Teacher.Train)
	}
	for i := range f.Stages {
		for j := range f.Stages[i].Phases {
			ps = append(ps, &f.Stages[i].Phases[j])
		}
	}
	for i := range f.Finish {
		ps = append(ps, &f.Finish[i])
	}
	return ps
}

func phaseForecast(p recipes.ResolvedPhase) PhaseForecast {
	var names []string
	for _, g := range p.Trainable {
		s := g.Pattern
		if g.LRScale != 1 {
			s += fmt.Sprintf(" ×%g", g.LRScale)
		}
		names = append(names, s)
	}
	return PhaseForecast{Name: p.Name, Trainable: strings.Join(names, ", "), Steps: p.Steps(), Tokens: p.Tokens(), LearningRate: p.Train.LearningRate}
}

// readTeacher finds the teacher's sizes.
func (f *forecast) readTeacher() (err error) {
	t := f.recipe.Teacher
	f.Teacher.Source = t.Path
	if t.Train == nil {
		source := t.Path
		if t.Geometry != nil {
			source = cached(source) // nothing is fetched, or waited for, to plan
		}
		if f.config, err = ReadConfig(source); err != nil && t.Geometry != nil {
			f.config, err = geometryConfig(*t.Geometry), nil // the path is for the run
		}
		if err != nil {
			return err
		}
	} else {
		f.Teacher.Source = "trained from scratch"
		ph, _ := f.recipe.TeacherPhase()
		p := phaseForecast(ph)
		f.Teacher.Train = &p
		if f.config = geometryConfig(t.Train.Geometry); f.config.VocabSize == 0 {
			return fmt.Errorf("teacher.train.geometry.vocab_size is not given, and the tokenizer %s is a file (hint: give it, to plan without reading the file)", t.Train.Tokenizer.Path)
		}
		if err := f.config.Check(); err != nil {
			return fmt.Errorf("teacher.train.geometry: %w", err)
		}
	}
	if err := checkExport(f.recipe, &f.config); err != nil {
		return err
	}
	f.Teacher.Layers = f.config.Strip()
	f.Teacher.Parameters, err = parametersOf(f.config)
	return err
}

// readRun takes over what an earlier session has decided.
func (f *forecast) readRun() error {
	if !isRun(f.Dir) {
		return nil
	}
	info, err := readRunInfo(f.Dir)
	if err != nil {
		return err
	}
	f.State = info.State
	folder, err := checkpoints.ViewRun(f.Dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.ReadJSON(checkpoints.PlanFile, &f.plan); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if f.plan.Layers != 0 && f.plan.Layers != f.config.Layers() {
		f.plan = Plan{} // of another teacher: the run will refuse the changed recipe
	}
	files, err := filepath.Glob(folder.Path(checkpoints.ScoresFile("stage-*")))
	if err != nil {
		return err
	}
	for _, file := range files {
		var stage int
		var s importance.Scores
		if _, err := fmt.Sscanf(filepath.Base(file), "scores-stage-%d-", &stage); err != nil {
			continue
		}
		if err := folder.ReadJSON(filepath.Base(file), &s); err != nil {
			return err
		}
		if s.Method == f.method(stage).Method {
			f.saved[stage] = s
		}
	}
	return nil
}

// method is what scores the layers before a stage.
func (f *forecast) method(stage int) recipes.Importance {
	if stage > 1 && f.recipe.Plan.Rescore != nil {
		return *f.recipe.Plan.Rescore
	}
	return f.recipe.Importance
}

// count finds the number of Mamba layers after each stage. To measure what a
// budget comes to, all layers that may be replaced have to fit as Mamba.
func (f *forecast) count(p *layers.Pool, ram int64) (err error) {
	cost := f.plan.Cost
	s := scorer{recipe: f.recipe}
	candidates := s.candidates(&layers.Model{Config: f.config})
	if f.form.Budget != nil && cost == nil {
		f.likely = [][]int{candidates}
		if f.Memory, err = f.forecastMemory(ram); err != nil {
			return err
		}
		f.likely = nil
		if p == nil || !f.Memory.Fits {
			return fmt.Errorf("plan.budget: how many layers a speed-up takes has to be measured (hint: leave --no-time out, or give plan.mamba_layers)")
		}
		m, err := layers.New(f.config, tensor.F32)
		if err != nil {
			return err
		}
		m.Init(1) // time does not depend on the weights
		if cost, err = MeasureCost(p, m, mixerSpec(f.recipe.Student.Mixer), *f.form.Budget); err != nil {
			return err
		}
	}
	f.counts, err = f.form.counts(f.config.Layers(), len(candidates), cost)
	return err
}

// stages decides as far as scores are known.
func (f *forecast) stages() error {
	s := scorer{recipe: f.recipe}
	candidates := s.candidates(&layers.Model{Config: f.config})
	spread, err := importance.Baseline("uniform", candidates, 0, nil)
	if err != nil {
		return err
	}
	var mamba []int // known
	var order []int
	known, by := true, ""
	for i, n := range f.counts {
		st := StageForecast{Index: i + 1, Mamba: n, Phases: []PhaseForecast{}}
		decided := slices.IndexFunc(f.plan.Stages, func(s Stage) bool { return s.Index == i+1 })
		if i == 0 || f.recipe.Plan.Rescore != nil {
			if order, by, err = f.order(i+1, candidates, mamba); err != nil {
				return err
			}
		}
		st.By = by
		switch {
		case decided >= 0:
			p := f.plan.Stages[decided]
			st.Replace, mamba, st.By = p.Replace, p.Mamba, f.method(i+1).Method+", decided by the run"
		case known && order != nil:
			p := next(i+1, n, mamba, order)
			st.Replace, mamba = p.Replace, p.Mamba
		default:
			known = false
		}
		st.Strip = f.strip(mamba, known)
		likely := mamba
		if !known {
			likely = next(i+1, n, mamba, spread.Order()).Mamba
		}
		f.likely = append(f.likely, likely)
		if st.Parameters, err = parametersOf(f.student(likely)); err != nil {
			return err
		}
		for _, p := range f.recipe.StagePhases(i + 1) {
			st.Phases = append(st.Phases, phaseForecast(p))
		}
		f.Stages = append(f.Stages, st)
	}
	return nil
}

// order returns the layers by the scores before a stage, nil while they are not
// there, and in words what they are.
func (f *forecast) order(stage int, candidates, mamba []int) (order []int, by string, err error) {
	m := f.method(stage)
	if s, ok := f.saved[stage]; ok {
		return s.Order(), m.Method + ", scored by the run", nil
	}
	switch m.Method {
	case "random", "uniform", "first", "last", "manual":
		left := slices.DeleteFunc(slices.Clone(candidates), func(l int) bool { return slices.Contains(mamba, l) })
		seed := m.Seed
		if seed == 0 {
			seed = f.recipe.Seed
		}
		s, err := importance.Baseline(m.Method, left, seed, m.Layers)
		return s.Order(), m.Method, err
	}
	return nil, m.Method + " will score", nil
}

// strip draws the layers as letters, with ? for those that scores will decide.
func (f *forecast) strip(mamba []int, known bool) string {
	b := []byte(f.config.Strip())
	for l := range b {
		switch {
		case slices.Contains(mamba, l):
			b[l] = 'M'
		case !known && b[l] == 'A' && !slices.Contains(f.recipe.Student.KeepAttention, l):
			b[l] = '?'
		}
	}
	return string(b)
}

// student returns the sizes with some layers replaced.
func (f *forecast) student(mamba []int) layers.Config {
	c := f.config.Clone()
	for _, l := range mamba {
		c.Mixers[l] = mixerSpec(f.recipe.Student.Mixer).mixed(&f.config)
	}
	return c
}

// parametersOf counts a model's weights.
func parametersOf(c layers.Config) (int64, error) {
	m, err := layers.Outline(c, tensor.F32)
	if err != nil {
		return 0, err
	}
	return int64(m.Size()), nil
}
