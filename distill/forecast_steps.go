package distill

import (
	"cmp"
	"fmt"
	"slices"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// trainingStep is a phase that trains, or a scoring that does like one, with the
// models that it begins with.
type trainingStep struct {
	name             string
	key              string // of the recipe, that sets the batch size
	phase            Phase
	teacher, student *layers.Model // on paper
	calibration      int64         // bytes that stand beside it

	gates  bool      // importance by gates; of the phase only the batch counts
	fits   []int     // of a stage whose sample is not kept: layers that are fitted, likewise
	probes []int     // of mmr: layers that are replaced, each in a model of its own; nil: none
	spec   MixerSpec // that replaces them

	sample *recipes.Calibration // of gates and fits: the batches are batchesOf it
	recipe *recipes.Recipe
}

// trains reports whether the step is one of a phase.
func (s *trainingStep) trains() bool { return !s.gates && s.fits == nil && s.probes == nil }

// trainingSteps goes through a run on paper: every scoring by gates or probes and
// every phase, with what its student has of its own by then. Where scores have
// not yet said which layers are Mamba, they are those of f.likely.
func (f *forecast) trainingSteps() (steps []trainingStep, err error) {
	r := f.recipe
	teacher, err := layers.Outline(f.config, tensor.F32)
	if err != nil {
		return nil, err
	}
	if p, ok := r.TeacherPhase(); ok {
		s := trainingStep{name: "teacher", key: batchKey("teacher.train", r.Teacher.Train.BatchSize), phase: phase(p, nil, nil), student: teacher}
		steps = append(steps, s)
	}
	targets := targetsOnPaper(r.Teacher.Cache, teacher)
	student, spec := teacher.Share(), mixerSpec(r.Student.Mixer)
	fitted, whole := Init(r.Student.Mixer.Init) == InitMILFit, int64(0)
	if keepsSample(r, &f.config) {
		fitted, whole = false, calibrationBytes(r, &f.config)*int64(len(attentionOf(&f.config)))
	}
	var mamba []int
	add := func(s trainingStep) {
		s.teacher, s.student, s.phase.Targets = teacher, student.Share(), targets
		if !s.gates || len(mamba) > 0 { // before the first mixer is made, there is no sample
			s.calibration = whole
		}
		steps = append(steps, s)
	}
	train := func(name, key string, ph Phase) {
		add(trainingStep{name: name, key: key, phase: ph})
		student.Own(func(q *layers.Param) bool { return ph.trains(q) && sharedWith(teacher, q) })
	}
	for i, likely := range f.likely {
		if s, ok := f.scoring(i+1, student); ok {
			add(s)
		}
		fresh := slices.DeleteFunc(slices.Clone(likely), func(l int) bool { return slices.Contains(mamba, l) })
		if fitted && len(fresh) > 0 {
			add(trainingStep{name: fmt.Sprintf("stage %d fitted", i+1), key: batchKey("", nil), phase: Phase{B: r.Train.BatchSize},
				fits: fresh, spec: spec, sample: &recipes.Calibration{Sequences: r.Student.Mixer.Fit.Sequences}, recipe: r})
		}
		mamba = likely
		for _, l := range fresh {
			student.SetMixer(l, spec.mixed(&f.config))
		}
		path, phases := "phases", r.Phases
		if i < len(r.Stages) && len(r.Stages[i].Phases) > 0 {
			path, phases = fmt.Sprintf("stages.%d.phases", i), r.Stages[i].Phases
		}
		for j, p := range r.StagePhases(i + 1) {
			train(fmt.Sprintf("stage %d %s", i+1, p.Name), batchKey(fmt.Sprintf("%s.%d", path, j), phases[j].BatchSize), phase(p, fresh, mamba))
		}
	}
	for i, x := range r.Finish {
		if x.Type == "sft" {
			train("finish "+cmp.Or(x.Name, x.Type), batchKey(fmt.Sprintf("finish.%d", i), x.BatchSize), phase(r.SFT(x), nil, mamba))
		}
	}
	return steps, nil
}

// batchKey is what sets the batch size of a phase at path, whose own may be nil.
func batchKey(path string, own *int) string {
	if own == nil {
		path = "train"
	}
	return path + ".per_device_train_batch_size"
}

// scoring is what scores the layers of a student before a stage, if it runs
// backward: passes forward keep little.
func (f *forecast) scoring(stage int, student *layers.Model) (t trainingStep, ok bool) {
	if stage > 1 && f.recipe.Plan.Rescore == nil {
		return t, false
	}
	m, s := f.method(stage), scorer{recipe: f.recipe}
	candidates := s.candidates(student)
	t = trainingStep{name: fmt.Sprintf("stage %d scored by %s", stage, m.Method)}
	switch m.Method {
	case "gate":
		t.key, t.gates, t.phase = batchKey("", nil), true, Phase{B: f.recipe.Train.BatchSize}
		t.sample, t.recipe = &m.Calibration, f.recipe
	case "mmr":
		t.key, t.phase, t.probes, t.spec = batchKey("", nil), s.probePhase(m, m.Steps), candidates, mixerSpec(f.recipe.Student.Mixer)
	default:
		return t, false
	}
	return t, len(candidates) > 0
}
