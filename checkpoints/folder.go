package checkpoints

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"stillhouse/checkpoints/internal/durable"
)

// WriteFolder makes a folder of files in one step: whole under its name, or not
// there. The folder must not exist; what is above it is made.
func WriteFolder(dir string, files map[string][]byte) error {
	ops := durable.OS()
	dir = filepath.Clean(dir)
	temp := filepath.Join(filepath.Dir(dir), durable.TempPrefix+filepath.Base(dir))
	err := ops.Folder(temp, dir, dirPerm, func() error {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			if err := ops.WriteFile(filepath.Join(temp, name), files[name], filePerm); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("checkpoints: write %s: %w", dir, durable.Hint(err))
	}
	return nil
}
