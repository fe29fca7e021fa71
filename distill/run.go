package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"stillhouse/checkpoints"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// Options is what a run needs beside its recipe.
type Options struct {
	Fresh    bool // remove what an earlier run left
	Force    bool // go on although the recipe has changed
	Progress Progress
	Log      *slog.Logger // nil: none
	Version  string       // of this binary, for the report
	Command  string       // that was typed, for the report

	rows func(Fill) Fill // stands between the training data and the trainer in tests; nil: nothing does
}

// Result is what a run comes to.
type Result struct {
	Dir         string       `json:"dir"`
	Report      string       `json:"report"`
	Complete    bool         `json:"complete"` // false while the run is under way
	Reused      bool         `json:"-"`        // the run was complete before
	Teacher     string       `json:"teacher"`
	Plan        Plan         `json:"plan"`
	Evaluations []Evaluation `json:"evaluations"`
	Export      *Exported    `json:"export,omitempty"`
}

// The ways a run ends before its time; each has an exit code of its own.
var (
	ErrInterrupted = errors.New("interrupted; the state is saved")
	ErrLimit       = errors.New("a limit was reached; the state is saved")
	ErrGate        = errors.New("a gate was not met")
	ErrChanged     = errors.New("the recipe has changed since the run began")
)

// resultFile marks a complete run.
const resultFile = "result.json"

// Run takes a recipe all the way: teacher, scores, plan, and for every stage
// swap, training, checkpoint and evaluation, then the finishing steps, speed
// and the report. An interrupted run goes on from its newest checkpoint and
// ends in the same bits. When ctx is cancelled it saves at the next step and
// returns ErrInterrupted.
func Run(ctx context.Context, r *recipes.Recipe, o Options) (*Result, error) {
	x, err := begin(r, o)
	if err != nil {
		return nil, err
	}
	defer x.close()
	x.o.Log.Info("session begins", "command", o.Command, "version", o.Version, "recipe", r.Name, "threads", x.pool.Threads(), "isa", layers.ISA())
	if x.result.Complete {
		x.result.Reused = true
		return &x.result, nil
	}
	if err := x.loadTeacher(ctx); err != nil {
		return &x.result, x.stopped(err)
	}
	if err := x.prepare(); err != nil {
		return &x.result, x.stopped(err)
	}
	if !r.TeacherOnly() {
		for x.at.Stage <= len(x.counts) {
			if err := x.stage(ctx); err != nil {
				return &x.result, x.stopped(err)
			}
		}
		for x.at.Stage-len(x.counts)-1 < len(r.Finish) {
			if err := x.finish(ctx, r.Finish[x.at.Stage-len(x.counts)-1]); err != nil {
				return &x.result, x.stopped(err)
			}
		}
	}
	if ctx.Err() != nil {
		return &x.result, x.stopped(ErrInterrupted)
	}
	return &x.result, x.stopped(x.complete())
}

// run is a Run under way.
type run struct {
	recipe  *recipes.Recipe
	o       Options
	pool    *layers.Pool
	folder  *checkpoints.Run
	stream  *stream
	scorer  *scorer
	exam    *Examiner
	teacher *Loaded
	targets *TargetCache // of the teacher, nil: none are kept
	student *layers.Model
	counts  []int // Mamba layers after each stage
	at      cursor
	last    *checkpoints.Checkpoint // the newest, nil before the first
	scores  []StageScores
	warned  []string // of damaged checkpoints
	began   time.Time
	noted   time.Time     // up to when timing.jsonl knows of this session
	spent   time.Duration // by earlier sessions of this run
	saved   time.Time
	result  Result
}

// begin opens the run folder, new or to be resumed.
func begin(r *recipes.Recipe, o Options) (*run, error) {
	if o.Progress == nil {
		o.Progress = Quiet{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	x := &run{recipe: r, o: o, began: time.Now(), noted: time.Now(), saved: time.Now()}
	x.result.Dir = r.OutputDir
	if o.Fresh {
		if err := removeRun(r.OutputDir); err != nil {
			return nil, err
		}
	}
	// The recipe is the first thing that a run writes: a folder without one is
	// new, or somebody else's, which CreateRun refuses.
	open := checkpoints.CreateRun
	if isRun(r.OutputDir) {
		open = checkpoints.OpenRun
	}
	var err error
	if x.folder, err = open(r.OutputDir); err != nil {
		return nil, err
	}
	if err := x.sameRecipe(); err != nil {
		return nil, errors.Join(err, x.folder.Close())
	}
	if err := x.folder.ReadJSON(resultFile, &x.result); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, x.folder.Close())
	}
	x.result.Dir, x.result.Report = r.OutputDir, x.folder.Path(checkpoints.ReportFile)
	if x.spent, err = x.timeSpent(); err != nil {
		return nil, errors.Join(err, x.folder.Close())
	}
	x.pool = layers.NewPool(r.Threads)
	if x.result.Complete {
		return x, nil
	}
	if err := x.about(underWay); err != nil {
		x.pool.Close()
		return nil, errors.Join(err, x.folder.Close())
	}
	return x, nil
}

// isRun reports whether a run has begun in dir.
func isRun(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, checkpoints.RecipeFile))
	return err == nil
}

// removeRun removes a run that no process holds, and nothing that is no run.
func removeRun(dir string) error {
	if !isRun(dir) {
		return nil
	}
	f, err := checkpoints.OpenRun(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), os.RemoveAll(dir)); err != nil {
		return fmt.Errorf("remove the earlier run: %w", err)
	}
	return nil
}

// warn says something of this session that is no error.
func (x *run) warn(line string) {
	x.o.Progress.Note(line)
	x.o.Log.Warn(line)
}

func (x *run) close() {
	x.pool.Close()
	if x.targets != nil && x.targets.Found+x.targets.Computed > 0 {
		x.o.Progress.Note(x.targets.Facts())
		x.o.Log.Info("teacher's targets", "found", x.targets.Found, "computed", x.targets.Computed, "folder", x.targets.files.Dir())
	}
	if !x.result.Reused {
		x.noteTime()
	}
	if err := x.folder.Close(); err != nil {
		x.o.Log.Error("close the run folder", "err", err)
	}
}

// prepare makes everything that stages need, once there is a teacher.
func (x *run) prepare() error {
	r := x.recipe
	x.result.Teacher = describe(x.teacher)
	if err := x.about(underWay); err != nil {
		return err
	}
	if err := r.Check(len(x.teacher.Model.Blocks)); err != nil {
		return err
	}
	if x.stream == nil {
		x.stream = newStream(r, x.teacher.Tokenizer).speaking(x.teacher)
		x.stream.note = x.o.Progress.Note
	}
	var err error
	if x.targets, err = OpenTargets(r.Teacher.Cache, x.teacher.Model, x.warn); err != nil {
		return err
	}
	if x.exam, err = newExaminer(x.pool, r, x.stream, x.teacher); err != nil {
		return err
	}
	x.exam.Targets = x.targets
	x.scorer = &scorer{pool: x.pool, recipe: r, teacher: x.teacher.Model, stream: x.stream, examiner: x.exam, progress: x.o.Progress, targets: x.targets}
	if !r.TeacherOnly() {
		if err := checkExport(r, &x.teacher.Model.Config); err != nil {
			return err
		}
		if err := x.planAhead(); err != nil {
			return err
		}
	}
	if err := x.fits(); err != nil {
		return err
	}
	return x.restore()
}

// stopped logs why a run ends; nil stays nil.
func (x *run) stopped(err error) error {
	if err != nil {
		x.o.Log.Error("stopped", "err", err)
		if err := x.about(err.Error()); err != nil {
			x.o.Log.Error("report", "err", err)
		}
		if rep := x.report(); rep != nil && !errors.Is(err, ErrInterrupted) {
			x.o.Log.Error("report", "err", rep)
		}
	}
	return err
}

// mamba returns the layers that are Mamba in the student.
func (x *run) mamba() (ls []int) {
	for l, m := range x.student.Config.Mixers {
		if m.Kind.Mamba() {
			ls = append(ls, l)
		}
	}
	return ls
}

// interrupted returns why to stop at this step, nil to go on.
func (x *run) interrupted(ctx context.Context) error {
	if ctx.Err() != nil {
		return ErrInterrupted
	}
	if limit := time.Duration(x.recipe.Limits.MaxTime); limit > 0 && x.spent+time.Since(x.began) > limit {
		return fmt.Errorf("limits.max_time is %v: %w", x.recipe.Limits.MaxTime, ErrLimit)
	}
	return nil
}

func (x *run) stageOf(index int) (Stage, bool) {
	i := slices.IndexFunc(x.result.Plan.Stages, func(s Stage) bool { return s.Index == index })
	if i < 0 {
		return Stage{}, false
	}
	return x.result.Plan.Stages[i], true
}
