package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/distill"
)

// runFlags are the flags of run and resume.
type runFlags struct {
	set          []string
	fresh, force bool
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run RECIPE",
		Short: "Run a recipe: teacher, scores, plan, stages, evaluation, report",
		Example: `  stillhouse run quickstart
  stillhouse run my.yaml --set train.learning_rate=2e-4 --set plan.mamba_layers=[2,4]`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.run(c, args[0], f) },
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the recipe, e.g. --set seed=7 (repeatable)")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "remove what an earlier run of this name left and start over")
	c.Flags().BoolVar(&f.force, "force", false, "go on although the recipe has changed")
	return c
}

func (a *app) resumeCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:     "resume RUN",
		Short:   "Go on with a run from its newest whole checkpoint",
		Example: "  stillhouse resume runs/quickstart",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			recipe := filepath.Join(args[0], checkpoints.RecipeFile)
			if _, err := os.Stat(recipe); err != nil {
				return usageError("%s is no run folder: it has no %s (hint: stillhouse runs list)", args[0], checkpoints.RecipeFile)
			}
			f.set = append(f.set, "output_dir="+args[0])
			return a.run(c, recipe, f)
		},
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the recipe (repeatable)")
	c.Flags().BoolVar(&f.force, "force", false, "go on although the recipe has changed")
	return c
}

func (a *app) run(c *cobra.Command, path string, f runFlags) error {
	r, err := a.load(path, f.set)
	if err != nil {
		return err
	}
	p, err := newProgress(a.progress, os.Stderr)
	if err != nil {
		return err
	}
	began := time.Now()
	res, err := distill.Run(c.Context(), r, distill.Options{
		Fresh: f.fresh, Force: f.force, Progress: p, Version: version(), Command: "stillhouse " + strings.Join(a.args, " "),
	})
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
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	head := table.Row{"model", "layers", "perplexity", "KL to teacher", "top-1 agree"}
	for _, e := range res.Evaluations[:min(1, len(res.Evaluations))] {
		for _, k := range e.Tasks {
			if k.Mode == "generate" {
				head = append(head, k.Task)
			}
		}
	}
	t.AppendHeader(head)
	for _, e := range res.Evaluations {
		row := table.Row{e.Name, e.Strip, fmt.Sprintf("%.3f", e.Perplexity), fmt.Sprintf("%.4f", e.KL), fmt.Sprintf("%.1f %%", 100*e.Agreement)}
		for _, k := range e.Tasks {
			if k.Mode == "generate" {
				row = append(row, fmt.Sprintf("%.1f %%", 100*k.Accuracy()))
			}
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(w, t.Render())
	if !res.Reused {
		fmt.Fprintf(w, "took %s\n", took.Round(time.Second))
	}
	fmt.Fprintf(w, "report %s\n", res.Report)
}
