package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"stillhouse/checkpoints"
	"stillhouse/distill"
)

// evalFlags are the flags of eval.
type evalFlags struct {
	set             []string
	recipe, teacher string
}

// evalRecipe is taken when neither the flags nor the model's place name one.
const evalRecipe = "quickstart"

func (a *app) evalCommand() *cobra.Command {
	var f evalFlags
	c := &cobra.Command{
		Use:   "eval MODEL...",
		Short: "Measure models: tasks by generation, perplexity, distance to the teacher",
		Long: `Eval measures models on a recipe's held-out data and tasks, each beside the
teacher. A MODEL is a model folder, embedded:teacher, a run folder (its newest
student) or a checkpoint's folder.

The recipe is the one of the run that the model lies in, or --recipe, or
` + evalRecipe + `; the teacher is the recipe's, or --teacher.`,
		Example: `  stillhouse eval runs/quickstart
  stillhouse eval runs/quickstart/checkpoints/step-00000120 --json
  stillhouse eval my-model --recipe my.yaml --teacher runs/my/teacher`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeModels,
		RunE:              func(c *cobra.Command, args []string) error { return a.eval(c, args, f) },
	}
	c.Flags().StringArrayVar(&f.set, "set", nil, "set a key of the recipe (repeatable)")
	c.Flags().StringVar(&f.recipe, "recipe", "", "measure with the data and tasks of this `RECIPE`")
	c.Flags().StringVar(&f.teacher, "teacher", "", "compare with this `MODEL`")
	return c
}

// evaluated is the result of eval: the teacher first.
type evaluated struct {
	Teacher     string               `json:"teacher"`
	Evaluations []distill.Evaluation `json:"evaluations"`
}

func (a *app) eval(c *cobra.Command, models []string, f evalFlags) error {
	if f.recipe == "" {
		f.recipe = evalRecipe
		if run := distill.RunOf(models[0]); run != "" {
			f.recipe = filepath.Join(run, checkpoints.RecipeFile)
			f.set = append(f.set, "output_dir="+run)
		}
	}
	r, err := a.load(f.recipe, f.set)
	if err != nil {
		return err
	}
	p, err := a.newProgress()
	if err != nil {
		return err
	}
	desk, err := a.desk(r, f.teacher, p)
	if err != nil {
		return err
	}
	defer desk.pool.Close()
	res := &evaluated{Teacher: desk.teacher.Source}
	e, err := desk.Evaluate(c.Context(), "teacher", desk.teacher.Model)
	if err != nil {
		return err
	}
	res.Evaluations = append(res.Evaluations, e)
	for _, m := range models {
		l, err := a.open(c.Context(), m)
		if err != nil {
			return err
		}
		if e, err = desk.Evaluate(c.Context(), m, l.Model); err != nil {
			return err
		}
		res.Evaluations = append(res.Evaluations, e)
	}
	return a.print(res, func(w io.Writer) {
		evaluationTable(w, res.Evaluations)
		fmt.Fprintf(w, "teacher %s, %s tokens held out, %s\n", res.Teacher, distill.HumanCount(e.Tokens), f.recipe)
	})
}
