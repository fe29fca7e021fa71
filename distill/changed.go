package distill

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"stillhouse/checkpoints"
	"stillhouse/recipes"
)

// sameRecipe writes the resolved recipe into a new run, or compares it with the
// one that is there. A change that touches nothing done is taken over; another
// is explained key by key and refused, unless forced.
func (x *run) sameRecipe() error {
	resolved, err := x.recipe.MarshalYAML()
	if err != nil {
		return err
	}
	old, err := x.folder.ReadFile(checkpoints.RecipeFile)
	if errors.Is(err, fs.ErrNotExist) {
		return x.folder.WriteFile(checkpoints.RecipeFile, resolved)
	}
	if err != nil {
		return err
	}
	before, err := recipes.Parse(x.folder.Path(checkpoints.RecipeFile), old, nil, nil)
	if err != nil {
		return fmt.Errorf("the run's own recipe: %w", err)
	}
	changes := recipes.Diff(before, x.recipe)
	if len(changes) == 0 {
		return nil
	}
	worst := recipes.Effect{Kind: recipes.Harmless}
	var lines []string
	for _, c := range changes {
		if c.Effect.Worse(worst) {
			worst = c.Effect
		}
		lines = append(lines, fmt.Sprintf("  %s: %s → %s  (%s)", c.Key, orNone(c.Old), orNone(c.New), c.Effect))
	}
	if worst.Kind != recipes.Harmless && !x.o.Force {
		return fmt.Errorf("%w:\n%s\nhint: --fresh starts over, --force goes on as if nothing had changed, or name another output_dir", ErrChanged, strings.Join(lines, "\n"))
	}
	for _, l := range lines {
		x.o.Progress.Note("recipe changed:" + l)
		x.o.Log.Info("recipe changed", "key", strings.TrimSpace(l))
	}
	return x.folder.WriteFile(checkpoints.RecipeFile, resolved)
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return s
}
