package distill

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"

	"stillhouse/distill/importance"
)

// Report is everything report.html shows, read back from a run folder.
type Report struct {
	About
	Name   string
	Recipe string // resolved, YAML
	Plan   Plan
	Scores []StageScores
	Events []Event // of metrics.jsonl, in order
	Speeds []Speed
}

// StageScores is the scoring that a stage was planned by.
type StageScores struct {
	Stage int `json:"stage"`
	importance.Scores
}

// Figure is one picture of the report.
type Figure struct {
	Name    string // of the exported file, without .svg
	Title   string
	Caption string
	SVG     template.HTML
}

// Evaluations returns the evaluations in order, the teacher first.
func (r *Report) Evaluations() (es []Evaluation) {
	for _, e := range r.Events {
		if e.Eval != nil {
			es = append(es, *e.Eval)
		}
	}
	return es
}

//go:embed report.html
var reportHTML string

// HTML returns the report as one file that needs nothing else, and its figures.
func (r *Report) HTML() ([]byte, []Figure, error) {
	figures, err := r.figures()
	if err != nil {
		return nil, nil, fmt.Errorf("report: %w", err)
	}
	t, err := template.New("report").Funcs(template.FuncMap{
		"percent": func(x float64) string { return fmt.Sprintf("%.1f %%", 100*x) },
		"number":  func(x float64) string { return fmt.Sprintf("%.4f", x) },
		"short":   func(x float64) string { return fmt.Sprintf("%.4g", x) },
		"bytes":   HumanBytes,
		"count":   HumanCount,
		"rate":    func(x float64) string { return HumanCount(int64(x)) },
	}).Parse(reportHTML)
	if err != nil {
		return nil, nil, fmt.Errorf("report: template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]any{
		"Report": r, "Figures": figures, "Evaluations": r.Evaluations(), "Tasks": r.taskColumns(),
		"ScoreTable": r.scoreTable(), "SpeedTable": r.speedTable(),
	}); err != nil {
		return nil, nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), figures, nil
}

// TaskColumn is one task in one mode, with a result for each evaluation.
type TaskColumn struct {
	Task, Mode string
	Cells      []string
}

func (r *Report) taskColumns() (cols []TaskColumn) {
	es := r.Evaluations()
	for _, e := range es {
		for _, t := range e.Tasks {
			known := func(c TaskColumn) bool { return c.Task == t.Task && c.Mode == t.Mode }
			if !slices.ContainsFunc(cols, known) {
				cols = append(cols, TaskColumn{Task: t.Task, Mode: t.Mode})
			}
		}
	}
	for i := range cols {
		for _, e := range es {
			cell := "–"
			if t, ok := e.Task(cols[i].Task, cols[i].Mode); ok {
				cell = fmt.Sprintf("%.1f %%", 100*t.Accuracy())
			}
			cols[i].Cells = append(cols[i].Cells, cell)
		}
	}
	return cols
}

// scoreTable has a row a layer and a column a scoring.
func (r *Report) scoreTable() (rows [][]string) {
	if len(r.Scores) == 0 {
		return nil
	}
	head := []string{"layer"}
	for _, s := range r.Scores {
		head = append(head, fmt.Sprintf("%s (stage %d)", s.Method, s.Stage))
	}
	rows = append(rows, head)
	for l := range r.Plan.Layers {
		row := []string{fmt.Sprint(l)}
		for _, s := range r.Scores {
			cell := "–"
			if v, ok := s.Of(l); ok {
				cell = fmt.Sprintf("%.4g", v)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// speedTable has a row a model and context.
func (r *Report) speedTable() (rows [][]string) {
	if len(r.Speeds) == 0 {
		return nil
	}
	rows = append(rows, []string{"model", "context", "prefill, tokens/s", "decode, tokens/s", "state"})
	for _, s := range r.Speeds {
		rows = append(rows, []string{s.Name, fmt.Sprint(s.Context), HumanCount(int64(s.Prefill)), HumanCount(int64(s.Decode)), HumanBytes(int64(s.StateBytes))})
	}
	return rows
}

func (r *Report) speedAxes() (names []string, contexts []int) {
	for _, s := range r.Speeds {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
		if !slices.Contains(contexts, s.Context) {
			contexts = append(contexts, s.Context)
		}
	}
	slices.Sort(contexts)
	return names, contexts
}
