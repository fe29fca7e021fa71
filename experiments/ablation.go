package experiments

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"stillhouse/distill"
	"stillhouse/recipes"
)

// ErrNoAblations is wrapped by the error of a recipe that has nothing to
// compare.
var ErrNoAblations = errors.New("the recipe has no ablations")

// ErrNoSuchArm is wrapped by the error of an arm asked for that there is not.
var ErrNoSuchArm = errors.New("there is no arm")

// Ablation is a recipe in several arms, over several seeds.
type Ablation struct {
	Recipe *recipes.Recipe // with its ablations, which are not nil

	path         string
	set, environ []string
}

// Open reads the recipe of an ablation, as recipes.Load does, and checks the
// recipe of every cell, so that a mistake in the last arm is found before the
// first one runs.
func Open(path string, set, environ []string) (*Ablation, error) {
	r, err := recipes.Load(path, set, environ)
	if err != nil {
		return nil, err
	}
	if r.Ablations == nil {
		return nil, fmt.Errorf("%s: %w (hint: stillhouse recipes show controls is one that has; stillhouse run runs a single recipe)", path, ErrNoAblations)
	}
	a := &Ablation{Recipe: r, path: path, set: set, environ: environ}
	for _, c := range r.Cells() {
		if _, err := a.recipe(c, nil); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// CellDir returns the run folder of a cell.
func (a *Ablation) CellDir(c recipes.Cell) string {
	return filepath.Join(a.Recipe.OutputDir, cellName(c))
}

func cellName(c recipes.Cell) string { return fmt.Sprintf("%s-seed-%d", c.Arm, c.Seed) }

// recipe returns the recipe of a cell. order is the layers to replace, first
// first, for a cell that takes another's; nil leaves it to the recipe.
func (a *Ablation) recipe(c recipes.Cell, order []int) (*recipes.Recipe, error) {
	set := slices.Concat(a.set, c.Set, []string{assign("name", cellName(c)), assign("output_dir", a.CellDir(c))})
	if order != nil {
		// Nothing of the recipe's own scoring may be left to choose by.
		set = append(set, "plan.rescore=null", "importance=null", assign("importance.method", "manual"), assign("importance.layers", order))
	}
	r, err := recipes.Load(a.path, set, a.environ)
	if err != nil {
		return nil, fmt.Errorf("arm %s: %w", c.Arm, err)
	}
	if counts := r.Plan.MambaLayers; order != nil && len(counts) > 0 && counts[len(counts)-1] != len(order) {
		return nil, fmt.Errorf("arm %s replaces %d layers, but %s, whose layers it takes, replaced %d %v (hint: plan.mamba_layers: [%d])",
			c.Arm, counts[len(counts)-1], c.LayersOf, len(order), order, len(order))
	}
	return r, nil
}

// assign makes an override. JSON is YAML, so that no path or name is taken for
// anything else.
func assign(key string, value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("experiments: %s: %v", key, err)) // strings and numbers only
	}
	return key + "=" + string(b)
}

// source returns the cell whose layers c takes.
func (c planned) source() recipes.Cell { return recipes.Cell{Arm: c.LayersOf, Seed: c.Seed} }

// planned is a cell that is to be run, at its place in the order of running.
type planned struct {
	recipes.Cell
	asked bool // by name or for being one of all; not as another's source only
}

// order returns the cells to run: those of the arms asked for, all of them if
// none is named, and what these take their layers from.
func (a *Ablation) order(only []string) ([]planned, error) {
	var names, sources []string
	for _, arm := range a.Recipe.Ablations.Arms {
		names = append(names, arm.Name)
		if slices.Contains(only, arm.Name) {
			sources = append(sources, arm.LayersOf)
		}
	}
	for _, o := range only {
		if !slices.Contains(names, o) {
			return nil, fmt.Errorf("%w %q (hint: there are %s)", ErrNoSuchArm, o, strings.Join(names, ", "))
		}
	}
	var cells []planned
	for _, c := range a.Recipe.Cells() {
		asked := len(only) == 0 || slices.Contains(only, c.Arm)
		if asked || slices.Contains(sources, c.Arm) {
			cells = append(cells, planned{c, asked})
		}
	}
	return cells, nil
}

// replaced returns the layers that a complete run replaced, in that order.
func replaced(p distill.Plan) []int {
	order := []int{}
	for _, s := range p.Stages {
		order = append(order, s.Replace...)
	}
	return order
}
