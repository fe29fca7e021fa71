package experiments

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"stillhouse/checkpoints"
	"stillhouse/distill"
	"stillhouse/recipes"
)

// ErrPartial is returned with a Result that lacks cells which failed or which
// another process holds.
var ErrPartial = errors.New("partly done")

// Options is what running an ablation needs beside its recipe.
type Options struct {
	Fresh    bool     // remove the cells of the arms asked for and start over
	Retry    bool     // try cells again that failed
	Only     []string // arms to run, and what they take their layers from; all if empty
	Progress distill.Progress
	Log      *slog.Logger // nil: none
	Version  string       // of this binary, for the reports of the cells
	Command  string       // that was typed

	// distil runs one cell; nil is distill.Run.
	distil func(context.Context, *recipes.Recipe, distill.Options) (*distill.Result, error)
}

// Tally counts what a session did with the cells.
type Tally struct {
	Run    int `json:"run"`
	Reused int `json:"reused"`
	Failed int `json:"failed"`
	Busy   int `json:"busy"` // held by another process
}

// String is the line that a session ends with.
func (t Tally) String() string {
	s := fmt.Sprintf("cells: %d run, %d reused, %d failed", t.Run, t.Reused, t.Failed)
	if t.Busy > 0 {
		s += fmt.Sprintf(", %d in another process", t.Busy)
	}
	return s
}

// Run runs the cells that are not complete, one after another, and collects the
// result. A cell that fails is reported at once and the others go on; the error
// is then ErrPartial. When ctx is cancelled the cell under way saves, and the
// error is distill.ErrInterrupted. In both cases the result is there too, made
// of what is complete.
func (a *Ablation) Run(ctx context.Context, o Options) (*Result, Tally, error) {
	var tally Tally
	if o.Progress == nil {
		o.Progress = distill.Quiet{}
	}
	if o.distil == nil {
		o.distil = distill.Run
	}
	cells, err := a.order(o.Only)
	if err != nil {
		return nil, tally, err
	}
	if err := a.unchanged(cells, o); err != nil {
		return nil, tally, err
	}
	if err := a.write(); err != nil {
		return nil, tally, err
	}
	a.announce(cells, o.Progress)
	var stop error
	for i, c := range cells {
		if ctx.Err() != nil {
			stop = distill.ErrInterrupted
		} else {
			stop = a.cell(ctx, c, fmt.Sprintf("%d/%d", i+1, len(cells)), o, &tally)
		}
		if stop != nil {
			break
		}
	}
	res, err := Collect(a.Recipe.OutputDir)
	if err != nil {
		return nil, tally, errors.Join(err, stop)
	}
	if err := res.Write(); err != nil {
		return res, tally, errors.Join(err, stop)
	}
	if stop == nil && tally.Failed+tally.Busy > 0 {
		stop = fmt.Errorf("%w: %s (hint: --retry tries failed cells again)", ErrPartial, tally)
	}
	return res, tally, stop
}

// cell brings one cell to its end and counts it. Only an error that concerns
// all cells is returned.
func (a *Ablation) cell(ctx context.Context, c planned, place string, o Options, tally *Tally) error {
	dir, title := a.CellDir(c.Cell), fmt.Sprintf("cell %s  %s seed %d", place, c.Arm, c.Seed)
	fresh := o.Fresh && c.asked
	before, err := failureOf(dir)
	if err != nil {
		return err
	}
	if before != "" && !o.Retry && !fresh {
		tally.Failed++
		o.Progress.Note(fmt.Sprintf("%s: failed before (--retry tries it again): %s", title, before))
		return nil
	}
	if err := forgetFailure(dir); err != nil {
		return err
	}
	o.Progress.Note(title)
	began := time.Now()
	res, err := a.distil(ctx, c, fresh, place, o)
	switch {
	case errors.Is(err, distill.ErrInterrupted):
		return err
	case errors.Is(err, checkpoints.ErrLocked):
		tally.Busy++
		o.Progress.Note(fmt.Sprintf("%s: passed over: %v", title, err))
	case err != nil:
		tally.Failed++
		o.Progress.Note(fmt.Sprintf("%s: FAILED: %v", title, err))
		return noteFailure(dir, err)
	case res.Reused:
		tally.Reused++
		o.Progress.Note(title + ": complete already")
	default:
		tally.Run++
		o.Progress.Note(fmt.Sprintf("%s: complete in %s%s", title, time.Since(began).Round(time.Second), a.outcome(res)))
	}
	return nil
}

// outcome is the compared metric of a cell, for the line that says it is done.
func (a *Ablation) outcome(res *distill.Result) string {
	metric := a.Recipe.Ablations.Compare.Metric
	if len(res.Evaluations) == 0 {
		return ""
	}
	v, ok := res.Evaluations[len(res.Evaluations)-1].Metric(metric)
	if !ok {
		return ""
	}
	return fmt.Sprintf(", %s %s", metric, format(metric, v))
}

// distil runs a cell, with the layers of its source if it has one.
func (a *Ablation) distil(ctx context.Context, c planned, fresh bool, place string, o Options) (*distill.Result, error) {
	r, err := a.resolve(c)
	if err != nil {
		return nil, err
	}
	res, err := o.distil(ctx, r, distill.Options{
		Fresh: fresh, Progress: placed{o.Progress, place}, Log: o.Log, Version: o.Version, Command: o.Command,
	})
	if err != nil {
		return nil, err
	}
	if c.LayersOf != "" {
		if got, want := replaced(res.Plan), r.Importance.Layers; !sameLayers(got, want) {
			return nil, fmt.Errorf("it replaced layers %v, but %s replaced %v (hint: the plan of %s must come to %d layers)", got, c.LayersOf, want, c.Arm, len(want))
		}
	}
	return res, nil
}

// resolve returns the recipe of a cell, now that what it depends on is done.
func (a *Ablation) resolve(c planned) (*recipes.Recipe, error) {
	if c.LayersOf == "" {
		return a.recipe(c.Cell, nil)
	}
	from, err := distill.ReadResult(a.CellDir(c.source()))
	if err != nil || !from.Complete {
		return nil, fmt.Errorf("its layers are those of %s with the same seed, which is not complete", c.LayersOf)
	}
	return a.recipe(c.Cell, replaced(from.Plan))
}

// announce says what is about to run and that it is the same amount for all.
func (a *Ablation) announce(cells []planned, p distill.Progress) {
	p.Note(fmt.Sprintf("%s: %s in %s", a.Recipe.Name, plural(len(cells), "cell"), a.Recipe.OutputDir))
	said := map[string]bool{}
	for _, c := range cells {
		if said[c.Arm] {
			continue
		}
		said[c.Arm] = true
		r, err := a.recipe(c.Cell, nil)
		if err != nil {
			continue // Open has loaded it; what has changed since is reported by the cell
		}
		tokens := "a number of tokens that is measured first"
		if n, ok := r.Tokens(); ok {
			tokens = fmt.Sprintf("%d tokens a cell", n)
		}
		p.Note(fmt.Sprintf("  %-24s %s", c.Arm, tokens))
	}
}

// write puts the resolved recipe of the ablation into its folder.
func (a *Ablation) write() error {
	b, err := a.Recipe.MarshalYAML()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(a.Recipe.OutputDir, 0o755); err != nil {
		return fmt.Errorf("make the ablation's folder: %w", err)
	}
	return renameio.WriteFile(filepath.Join(a.Recipe.OutputDir, ablationFile), b, 0o644)
}

// placed is a Progress that says which cell it is about.
type placed struct {
	distill.Progress
	place string
}

func (p placed) Begin(what string, total int) { p.Progress.Begin(p.place+" · "+what, total) }

func (p placed) Advance(done int, facts string) {
	if facts != "" {
		facts = p.place + " · " + facts
	}
	p.Progress.Advance(done, facts)
}

func (p placed) Note(line string) { p.Progress.Note("  " + line) }
