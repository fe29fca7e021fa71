package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stillhouse/distill"
)

// runsDir is where recipes put their runs unless they say otherwise.
const runsDir = "runs"

func (a *app) runsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "runs",
		Short: "List runs",
	}
	c.AddCommand(&cobra.Command{
		Use:   "list [DIR]",
		Short: "List the runs in a folder and how far they came",
		Example: `  stillhouse runs list
  stillhouse runs list /data/runs --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			dir := runsDir
			if len(args) > 0 {
				dir = args[0]
				if info, err := os.Stat(dir); err != nil || !info.IsDir() {
					return usageError("%s is no folder (hint: stillhouse runs list looks in %s)", dir, runsDir)
				}
			}
			return a.listRuns(dir)
		},
	})
	return c
}

func (a *app) listRuns(dir string) error {
	rs, err := distill.ListRuns(dir)
	if err != nil {
		return err
	}
	if len(rs) == 0 && !a.quiet && !a.json {
		fmt.Fprintf(a.err, "no runs in %s (hint: stillhouse run quickstart)\n", dir)
		return nil
	}
	return a.print(map[string]any{"runs": rs}, func(w io.Writer) {
		t := newTable("run", "state", "last", "layers", "KL to teacher", "took", "changed")
		for _, r := range rs {
			state, kl := string(r.State), "–"
			if why, _, _ := strings.Cut(r.Reason, "\n"); why != "" {
				state += ": " + shorten(why, 40)
			}
			if r.Last != "" {
				kl = nats(r.KL)
			}
			t.AppendRow([]any{r.Dir, state, dash(r.Last), dash(r.Strip), kl,
				duration(time.Duration(r.Seconds * float64(time.Second))), r.Updated.Format(time.DateTime)})
		}
		fmt.Fprintln(w, t.Render())
	})
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// shorten cuts a line to so many characters.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
