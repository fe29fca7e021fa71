package experiments

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stillhouse/checkpoints"
	"stillhouse/distill"
	"stillhouse/recipes"
)

// unchanged refuses to run when cells that are there were made by another
// recipe. Each of them would refuse by itself, one after another; this says it
// once, before anything runs.
func (a *Ablation) unchanged(cells []planned, o Options) error {
	var lines []string
	for _, c := range cells {
		if o.Fresh && c.asked {
			continue
		}
		now, err := a.resolve(c)
		if err != nil {
			continue // a source is not there yet, so this cell cannot be either, or says so itself
		}
		file := filepath.Join(a.CellDir(c.Cell), checkpoints.RecipeFile)
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the recipe of a cell: %w", err)
		}
		before, err := recipes.Parse(file, b, nil, nil)
		if err != nil {
			return fmt.Errorf("the recipe of a cell: %w", err)
		}
		for _, d := range recipes.Diff(before, now) {
			if d.Effect.Kind != recipes.Harmless {
				lines = append(lines, fmt.Sprintf("  %s: %s: %s → %s", cellName(c.Cell), d.Key, given(d.Old), given(d.New)))
			}
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%s\nhint: --fresh starts over (with --only ARM these arms alone), or --set output_dir=… keeps the old cells", distill.ErrChanged, strings.Join(lines, "\n"))
}

func given(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
