package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/distill"
)

func (a *app) reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report RUN",
		Short: "Write a run's report again, from what the run folder holds",
		Long: `Report makes report.html of a run folder, complete or not, and prints its path: one
file that needs nothing else, the same bytes each time.`,
		Example:           "  stillhouse report runs/quickstart",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRuns,
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := recipeOfRun(args[0]); err != nil {
				return err
			}
			if err := distill.WriteReport(args[0], version()); err != nil {
				return err
			}
			path := filepath.Join(args[0], checkpoints.ReportFile)
			return a.print(map[string]string{"report": path}, func(w io.Writer) { fmt.Fprintln(w, path) })
		},
	}
}
