package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/distill"
)

// runFlags are the flags of run and resume.
type runFlags struct {
	set                          []string
	fresh, force, dryRun, noTime bool
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run RECIPE",
		Short: "Run a recipe: teacher, scores, plan, stages, evaluation, report",
		Long: `Run takes a recipe all the way: teacher, scores, plan, and for every stage swap,
training, checkpoint and evaluation, then the finishing steps and the report.
RECIPE is a file or the name of an embedded recipe.

Typed again it goes on where it stopped, to the same bits. An interrupt (Ctrl-C)
saves the state first; a second one stops at once.`,
		Example: `  stillhouse run quickstart
  stillhouse run quickstart --dry-run
  stillhouse run my.yaml --set train.learning_rate=2e-4 --set plan.mamba_layers=[2,4]`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipes,
		RunE: func(c *cobra.Command, args []string) error {
			if f.dryRun {
				return a.plan(args[0], f.set, f.noTime)
			}
			return a.run(c, args[0], f)
		},
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the recipe, e.g. --set seed=7 (repeatable)")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "remove what an earlier run of this name left and start over")
	c.Flags().BoolVar(&f.force, "force", false, "go on although the recipe has changed")
	c.Flags().BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be done and what it takes; write nothing")
	c.Flags().BoolVar(&f.noTime, "no-time", false, "with --dry-run: take no steps to tell the time from")
	return c
}

func (a *app) resumeCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:               "resume RUN",
		Short:             "Go on with a run from its newest whole checkpoint",
		Example:           "  stillhouse resume runs/quickstart",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRuns,
		RunE: func(c *cobra.Command, args []string) error {
			recipe, err := recipeOfRun(args[0])
			if err != nil {
				return err
			}
			f.set = append(f.set, "output_dir="+args[0])
			return a.run(c, recipe, f)
		},
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the recipe (repeatable)")
	c.Flags().BoolVar(&f.force, "force", false, "go on although the recipe has changed")
	return c
}

// recipeOfRun returns the recipe's file of a run folder.
func recipeOfRun(dir string) (string, error) {
	recipe := filepath.Join(dir, checkpoints.RecipeFile)
	if _, err := os.Stat(recipe); err != nil {
		return "", usageError("%s is no run folder: it has no %s (hint: stillhouse runs list)", dir, checkpoints.RecipeFile)
	}
	return recipe, nil
}

func (a *app) run(c *cobra.Command, path string, f runFlags) error {
	r, err := a.load(path, f.set)
	if err != nil {
		return err
	}
	p, err := a.newProgress()
	if err != nil {
		return err
	}
	began := time.Now()
	log, closeLog := a.runLog(r.OutputDir)
	res, err := distill.Run(c.Context(), r, distill.Options{
		Fresh: f.fresh, Force: f.force, Progress: p, Log: log, Version: version(), Command: "stillhouse " + strings.Join(a.args, " "),
	})
	err = errors.Join(err, closeLog())
	if isInterrupted(err) && !a.quiet && !a.json {
		p.Note("go on with: stillhouse resume " + r.OutputDir)
	}
	if err != nil {
		return err
	}
	return a.print(res, func(w io.Writer) { a.summary(w, res, time.Since(began)) })
}

// summary is the table a run ends with.
func (a *app) summary(w io.Writer, res *distill.Result, took time.Duration) {
	if res.Reused {
		fmt.Fprintf(w, "%s is complete already; --fresh starts over.\n", res.Dir)
	}
	evaluationTable(w, res.Evaluations)
	if !res.Reused {
		fmt.Fprintf(w, "took %s\n", duration(took))
	}
	if x := res.Export; x != nil {
		fmt.Fprintf(w, "export %s, %s\n", x.Dir, x.Format)
	}
	fmt.Fprintf(w, "report %s\n", res.Report)
}

// evaluationTable has a row a model and a column for each task answered by
// generation.
func evaluationTable(w io.Writer, es []distill.Evaluation) {
	head := table.Row{"model", "layers", "perplexity", "KL to teacher", "top-1 agree"}
	for _, e := range es[:min(1, len(es))] {
		for _, k := range e.Tasks {
			if k.Mode == "generate" {
				head = append(head, k.Task)
			}
		}
	}
	t := newTable(head...)
	for _, e := range es {
		row := table.Row{e.Name, e.Strip, fmt.Sprintf("%.3f", e.Perplexity), nats(e.KL), fmt.Sprintf("%.1f %%", 100*e.Agreement)}
		for _, k := range e.Tasks {
			if k.Mode == "generate" {
				row = append(row, fmt.Sprintf("%.1f %%", 100*k.Accuracy()))
			}
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(w, t.Render())
}

// nats writes a divergence: small ones are the good ones and must not show as 0.
func nats(x float64) string {
	if x != 0 && x < 0.001 {
		return fmt.Sprintf("%.1e", x)
	}
	return fmt.Sprintf("%.4f", x)
}

// newTable is the one look of tables: heads as they are written.
func newTable(head ...any) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(head)
	return t
}
