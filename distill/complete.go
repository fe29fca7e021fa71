package distill

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"stillhouse/checkpoints"
)

// speedFile holds the speed measurements, which depend on the machine.
const speedFile = "speed.json"

// complete measures speed, writes the final model and the report, and marks
// the run complete.
func (x *run) complete() error {
	if x.recipe.TeacherOnly() {
		if err := x.evaluate("teacher", x.teacher.Model); err != nil {
			return err
		}
	} else {
		if err := x.saveStudent(); err != nil {
			return err
		}
		if err := x.export(); err != nil {
			return err
		}
	}
	if err := x.speeds(); err != nil {
		return err
	}
	if err := x.about(""); err != nil {
		return err
	}
	if err := x.report(); err != nil {
		return err
	}
	x.result.Complete = true
	x.o.Log.Info("complete", "report", x.result.Report)
	return x.folder.WriteJSON(resultFile, x.result)
}

// saveStudent writes the final model, in place of one that a run left which was
// killed right after.
func (x *run) saveStudent() error {
	dir := x.folder.Path(modelDir)
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("save %s: %w", dir, err)
	}
	return SaveModel(dir, x.handedOut(), "")
}

// speeds measures the teacher, a hybrid of each stage's layers and one without
// any attention at the recipe's contexts.
func (x *run) speeds() error {
	var contexts []int
	for _, c := range x.recipe.Eval.Contexts {
		contexts = append(contexts, int(c))
	}
	if len(contexts) == 0 {
		return nil
	}
	teacher := x.teacher.Model
	models := []namedModel{{"teacher", teacher}}
	if !x.recipe.TeacherOnly() {
		sets := [][]int{attentionOf(&teacher.Config)}
		for _, s := range slices.Backward(x.result.Plan.Stages) {
			if len(s.Mamba) < len(sets[0]) {
				sets = slices.Insert(sets, 0, s.Mamba)
			}
		}
		for _, ls := range sets {
			h, err := replaced(x.pool, teacher, mixerSpec(x.recipe.Student.Mixer), ls)
			if err != nil {
				return err
			}
			models = append(models, h)
		}
	}
	x.o.Progress.Begin("measure speed against context", len(models))
	defer x.o.Progress.End()
	var all []Speed
	for i, m := range models {
		x.o.Progress.Advance(i, m.name)
		all = append(all, MeasureSpeed(x.pool, m.name, m.model, contexts, x.recipe.Eval.DecodeTokens)...)
	}
	x.o.Progress.Advance(len(models), "")
	return x.folder.WriteJSON(speedFile, all)
}

// report writes report.html and its figures from what the run folder holds.
func (x *run) report() error {
	r, err := ReadReport(x.result.Dir)
	if err != nil {
		return err
	}
	return r.write(x.folder)
}

// ReadReport collects a report from a run folder.
func ReadReport(dir string) (*Report, error) {
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	r := &Report{Name: filepath.Base(dir)}
	if b, err := folder.ReadFile(checkpoints.RecipeFile); err == nil {
		r.Recipe = string(b)
	}
	if r.Events, err = readEvents(folder); err != nil {
		return nil, err
	}
	for _, e := range r.Events {
		if e.Scores != nil {
			r.Scores = append(r.Scores, StageScores{e.Stage, *e.Scores})
		}
	}
	// A run that has not come so far has no plan and no speeds.
	_ = folder.ReadJSON(aboutFile, &r.About)
	_ = folder.ReadJSON(checkpoints.PlanFile, &r.Plan)
	_ = folder.ReadJSON(speedFile, &r.Speeds)
	return r, nil
}

// write puts the report and its figures into the run folder.
func (r *Report) write(folder *checkpoints.Run) error {
	html, figures, err := r.HTML()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder.Path("figures"), 0o755); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	for _, f := range figures {
		svg := []byte(f.SVG)
		if err := folder.WriteFile(filepath.Join("figures", f.Name+".svg"), svg); err != nil {
			return err
		}
	}
	return folder.WriteFile(checkpoints.ReportFile, html)
}

// WriteReport makes the report of a run folder again: of what is there now, by
// the same program to the same bytes. version is for a run that names none.
func WriteReport(dir, version string) error {
	r, err := ReadReport(dir)
	if err != nil {
		return err
	}
	if r.Version == "" {
		r.Version = version
	}
	folder, err := checkpoints.OpenRun(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return r.write(folder)
}
