package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"stillhouse/experiments"
)

// ablateFlags are the flags of ablate.
type ablateFlags struct {
	set, only    []string
	fresh, retry bool
	report       string
}

func (a *app) ablateCommand() *cobra.Command {
	var f ablateFlags
	c := &cobra.Command{
		Use:   "ablate RECIPE",
		Short: "Run a recipe in several arms over several seeds and compare them",
		Long: `Ablate runs every arm of a recipe's ablations section with every seed, each as
an ordinary run in a folder of its own, and compares the arms: paired by seed,
exact test, corrected for the number of comparisons.

Typed again it goes on where it stopped; cells that are complete are reused. A
cell that fails does not stop the others (exit code 3). Several processes may
work on the same ablation at once: each passes over what another holds.`,
		Example: `  stillhouse ablate controls
  stillhouse ablate controls --set ablations.seeds=[0,1,2,3,4,5,6]
  stillhouse ablate controls --only staged-random
  stillhouse ablate --report runs/controls`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 == (f.report != "") || len(args) > 1 {
				return usageError("want one recipe, or --report with the folder of an ablation\nhint: stillhouse ablate --help")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if f.report != "" {
				return a.ablationReport(f.report)
			}
			return a.ablate(c, args[0], f)
		},
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the recipe, for all arms (repeatable)")
	c.Flags().StringArrayVar(&f.only, "only", nil, "run this arm, and the one it takes its layers from (repeatable)")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "remove the cells of the arms that are run and start over")
	c.Flags().BoolVar(&f.retry, "retry", false, "try cells again that failed")
	c.Flags().StringVar(&f.report, "report", "", "print the result of an ablation's `FOLDER` without running anything")
	return c
}

func (a *app) ablate(c *cobra.Command, path string, f ablateFlags) error {
	if a.threads > 0 {
		f.set = append(f.set, fmt.Sprintf("threads=%d", a.threads))
	}
	x, err := experiments.Open(path, f.set, os.Environ())
	if errors.Is(err, experiments.ErrNoAblations) {
		return usageError("%v", err)
	}
	if err != nil {
		return err
	}
	p, err := a.newProgress()
	if err != nil {
		return err
	}
	res, tally, err := x.Run(c.Context(), experiments.Options{
		Fresh: f.fresh, Retry: f.retry, Only: f.only, Progress: p, Log: slog.New(slog.DiscardHandler),
		Version: version(), Command: "stillhouse " + strings.Join(a.args, " "),
	})
	if errors.Is(err, experiments.ErrPartial) {
		err = &codedError{exitPartial, err}
	}
	if errors.Is(err, experiments.ErrNoSuchArm) {
		err = &codedError{exitUsage, err}
	}
	if res == nil {
		return err
	}
	return errors.Join(a.printAblation(res, &tally), err)
}

// ablationReport makes the result again from what the folder holds.
func (a *app) ablationReport(dir string) error {
	res, err := experiments.Collect(dir)
	if errors.Is(err, os.ErrNotExist) {
		return usageError("%v", err)
	}
	if err != nil {
		return err
	}
	if err := res.Write(); err != nil {
		return err
	}
	return a.printAblation(res, nil)
}

// printAblation prints the table; tally is nil when nothing was run.
func (a *app) printAblation(res *experiments.Result, tally *experiments.Tally) error {
	object := struct {
		Tally *experiments.Tally `json:"session,omitempty"`
		*experiments.Result
	}{tally, res}
	return a.print(object, func(w io.Writer) {
		fmt.Fprint(w, res.Markdown())
		if tally != nil {
			fmt.Fprintf(w, "\n%s\n", tally)
		}
		for _, f := range []string{experiments.TableFile, experiments.ResultsFile, experiments.FigureFile} {
			if path := filepath.Join(res.Dir, f); exists(path) {
				fmt.Fprintf(w, "wrote %s\n", path)
			}
		}
	})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
