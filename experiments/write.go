package experiments

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// The files that an ablation's result is written to.
const (
	TableFile   = "table.md"
	ResultsFile = "results.json"
	FigureFile  = "figure.svg"
)

// Write puts table, numbers and figure into the folder of the ablation.
func (r *Result) Write() error {
	numbers, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", ResultsFile, err)
	}
	files := []struct {
		name string
		data []byte
	}{{ResultsFile, append(numbers, '\n')}, {TableFile, []byte(r.Markdown())}, {FigureFile, nil}}
	if files[2].data, err = r.Figure(); err != nil {
		return err
	}
	for _, f := range files {
		if f.data == nil {
			continue
		}
		if err := renameio.WriteFile(filepath.Join(r.Dir, f.name), f.data, 0o644); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	}
	return nil
}
