package main

import (
	"fmt"
	"io"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"stillhouse/distill"
	"stillhouse/layers"
	"stillhouse/recipes"
)

func (a *app) planCommand() *cobra.Command {
	var set []string
	var noTime bool
	c := &cobra.Command{
		Use:   "plan RECIPE",
		Short: "Say what a recipe will do and what it takes, before anything is done",
		Long: `Plan prints the resolved recipe, the stages with the layers they replace as far as
these are known without scoring, the tokens of every phase, the memory of the
largest phase or scoring against limits and machine, and how long the run will take on this
machine, from a few steps of each phase on random weights.

It reads the teacher's sizes, not its weights, and writes nothing. What does not
fit ends with exit code 12 and the setting that would. It is run --dry-run.`,
		Example: `  stillhouse plan quickstart
  stillhouse plan my.yaml --set train.per_device_train_batch_size=32 --no-time`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeRecipes,
		RunE:              func(_ *cobra.Command, args []string) error { return a.plan(args[0], set, noTime) },
	}
	c.Flags().StringArrayVar(&set, "set", nil, "set a key of the recipe (repeatable)")
	c.Flags().BoolVar(&noTime, "no-time", false, "take no steps to tell the time from")
	return c
}

// planned is a recipe and its forecast.
type planned struct {
	Recipe   *recipes.Recipe   `json:"recipe"`
	Forecast *distill.Forecast `json:"forecast"`
}

func (a *app) plan(path string, set []string, noTime bool) error {
	r, err := a.load(path, set)
	if err != nil {
		return err
	}
	progress, err := a.newProgress()
	if err != nil {
		return err
	}
	var pool *layers.Pool
	if !noTime {
		pool = layers.NewPool(r.Threads)
		defer pool.Close()
	}
	f, err := distill.NewForecast(r, thisMachine(".").RAM, pool, progress)
	if err != nil {
		return err
	}
	resolved, err := r.MarshalYAML()
	if err != nil {
		return err
	}
	if err := a.print(planned{r, f}, func(w io.Writer) { planText(w, string(resolved), f) }); err != nil {
		return err
	}
	if m := f.Memory; !m.Fits {
		return &codedError{exitLimit, fmt.Errorf("it does not fit: about %s are needed, %s there are (hint: %s)", distill.HumanBytes(m.Need), distill.HumanBytes(m.Bound()), m.Setting)}
	}
	return nil
}

func planText(w io.Writer, resolved string, f *distill.Forecast) {
	fmt.Fprintf(w, "%s\n", resolved)
	fmt.Fprintf(w, "teacher   %s  %s  %s parameters\n", f.Teacher.Source, f.Teacher.Layers, distill.HumanCount(f.Teacher.Parameters))
	folder := "new"
	if f.State != "" {
		folder = "is there, " + string(f.State)
	}
	fmt.Fprintf(w, "folder    %s (%s)\n\n", f.Dir, folder)
	t := newTable("stage", "layers", "parameters", "phase", "trains", "steps", "tokens", "learning rate", "time")
	row := func(stage, strip, size any, p distill.PhaseForecast) {
		r := table.Row{stage, strip, size, p.Name, p.Trainable, "", "", "", ""}
		if p.Steps > 0 {
			r[5], r[6], r[7] = p.Steps, distill.HumanCount(p.Tokens), fmt.Sprintf("%g", p.LearningRate)
		}
		if p.Seconds > 0 {
			r[8] = duration(time.Duration(p.Seconds * float64(time.Second)))
		}
		t.AppendRow(r)
	}
	if p := f.Teacher.Train; p != nil {
		row("teacher", f.Teacher.Layers, distill.HumanCount(f.Teacher.Parameters), *p)
	}
	for _, s := range f.Stages {
		for i, p := range s.Phases {
			if i == 0 {
				row(s.Index, s.Strip, distill.HumanCount(s.Parameters), p)
			} else {
				row("", "", "", p)
			}
		}
	}
	for _, p := range f.Finish {
		row("finish", "", "", p)
	}
	fmt.Fprintln(w, t.Render())
	for _, s := range f.Stages {
		if s.Replace == nil {
			fmt.Fprintf(w, "stage %d     %d Mamba layers; %s\n", s.Index, s.Mamba, s.By)
		} else {
			fmt.Fprintf(w, "stage %d     %d Mamba layers; replaces %v (%s)\n", s.Index, s.Mamba, s.Replace, s.By)
		}
	}
	fmt.Fprintf(w, "tokens      %s to train on\n", distill.HumanCount(f.Tokens))
	m := f.Memory
	fmt.Fprintf(w, "memory      about %s, in %s", distill.HumanBytes(m.Need), m.Phase)
	if m.Limit > 0 {
		fmt.Fprintf(w, "; limits.max_memory is %s", distill.HumanBytes(m.Limit))
	}
	if m.RAM > 0 {
		fmt.Fprintf(w, "; this machine has %s", distill.HumanBytes(m.RAM))
	}
	fmt.Fprintln(w)
	if t := f.Targets; t != nil {
		fmt.Fprintf(w, "targets     %s of the teacher's (%s, %s tokens) in %s", distill.HumanBytes(t.Kept), t.Targets, distill.HumanCount(t.Tokens), t.Dir)
		if t.Kept < t.Bytes {
			fmt.Fprintf(w, "; all would take %s, teacher.cache.max_size is %s", distill.HumanBytes(t.Bytes), distill.HumanBytes(t.Limit))
		}
		fmt.Fprintf(w, "; where they are there already a step runs no teacher and takes %s less memory\n", distill.HumanBytes(t.Memory))
		if free := thisMachine(t.Dir).Disk; free > 0 && free < t.Kept {
			fmt.Fprintf(w, "            warning: %s are free there; what does not fit is computed every time\n", distill.HumanBytes(free))
		}
	}
	switch {
	case f.Time != nil:
		s := func(x float64) string { return duration(time.Duration(x * float64(time.Second))) }
		fmt.Fprintf(w, "time        about %s: training %s, scores %s, evaluation %s (from %d steps taken now)\n",
			s(f.Time.Seconds), s(f.Time.Train), s(f.Time.Scores), s(f.Time.Evaluate), f.Time.Measured)
	case f.NoTime != "":
		fmt.Fprintf(w, "time        not measured: %s\n", f.NoTime)
	}
}
