package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"stillhouse/distill"
	"stillhouse/distill/importance"
	"stillhouse/layers"
)

// scoreFlags are the flags of score.
type scoreFlags struct {
	set, methods []string
	teacher, out string
}

func (a *app) scoreCommand() *cobra.Command {
	var f scoreFlags
	c := &cobra.Command{
		Use:   "score RECIPE",
		Short: "Score the attention layers of a recipe's teacher",
		Long: `Score prints how much each attention layer matters, by the recipe's method or by
several side by side. The lowest scores are replaced first; the rank says when.
Methods measure different things, so only ranks compare across columns.`,
		Example: `  stillhouse score quickstart
  stillhouse score quickstart --method gate,loo,swap --out scores.json`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipes,
		RunE:              func(c *cobra.Command, args []string) error { return a.score(c, args[0], f) },
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the recipe (repeatable)")
	c.Flags().StringSliceVar(&f.methods, "method", nil, "methods in place of the recipe's: "+strings.Join(methods, ", "))
	c.Flags().StringVar(&f.teacher, "teacher", "", "a `MODEL` in place of the recipe's teacher")
	c.Flags().StringVarP(&f.out, "out", "o", "", "also write the result to this `FILE`, as JSON")
	return c
}

// methods are those of importance.method.
var methods = []string{"gate", "loo", "swap", "mmr", "restore", "random", "uniform", "first", "last", "manual"}

// scored is the result of score.
type scored struct {
	Teacher string         `json:"teacher"`
	Layers  string         `json:"layers"`
	Scores  []methodScores `json:"scores"`
	config  *layers.Config // the teacher's
}

// methodScores is one method's scores with what they cost.
type methodScores struct {
	importance.Scores
	Seconds float64 `json:"seconds"`
	Order   []int   `json:"order"` // most replaceable first
}

func (a *app) score(c *cobra.Command, path string, f scoreFlags) error {
	if len(f.methods) == 0 {
		r, err := a.load(path, f.set)
		if err != nil {
			return err
		}
		f.methods = []string{r.Importance.Method}
	}
	p, err := a.newProgress()
	if err != nil {
		return err
	}
	var res *scored
	var desk *deskOf
	for _, m := range f.methods {
		if !slices.Contains(methods, m) {
			return usageError("--method: there is no method %q (hint: %s)", m, strings.Join(methods, ", "))
		}
		if c.Context().Err() != nil {
			return distill.ErrInterrupted
		}
		r, err := a.load(path, append(slices.Clone(f.set), "importance.method="+m))
		if err != nil {
			return err
		}
		if desk == nil {
			if desk, err = a.desk(r, f.teacher, p); err != nil {
				return err
			}
			defer desk.pool.Close()
			res = &scored{Teacher: desk.teacher.Source, Layers: desk.teacher.Model.Config.Strip(), config: &desk.teacher.Model.Config}
		}
		s, err := desk.Score(r.Importance)
		if err != nil {
			return err
		}
		res.Scores = append(res.Scores, methodScores{s, s.Seconds, s.Order()})
	}
	if f.out != "" {
		b, err := json.MarshalIndent(res, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.out, append(b, '\n'), 0o666); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	return a.print(res, func(w io.Writer) { scoreText(w, res) })
}

func scoreText(w io.Writer, res *scored) {
	fmt.Fprintf(w, "%s  %s\n", res.Teacher, res.Layers)
	head := table.Row{"layer"}
	for _, s := range res.Scores {
		head = append(head, s.Method, "rank")
	}
	t := newTable(head...)
	for l := range res.config.Mixers {
		row, any := table.Row{l}, false
		for _, s := range res.Scores {
			v, ok := s.Of(l)
			if !ok {
				row = append(row, "–", "–")
				continue
			}
			any = true
			row = append(row, fmt.Sprintf("%.4g", v), 1+slices.Index(s.Order, l))
		}
		if any {
			t.AppendRow(row)
		}
	}
	fmt.Fprintln(w, t.Render())
	for _, s := range res.Scores {
		fmt.Fprintf(w, "%-8s %s: replaces %v in this order; %.1f s, %s tokens\n", s.Method, s.Metric, s.Order, s.Seconds, distill.HumanCount(s.Tokens))
	}
}
