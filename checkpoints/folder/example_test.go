package folder_test

import (
	"fmt"
	"os"
	"path/filepath"

	"stillhouse/checkpoints/folder"
)

// A folder is written, read back and described before it takes its name.
func Example() {
	parent, err := os.MkdirTemp("", "folder")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(parent)
	dir := filepath.Join(parent, "model")
	err = folder.Save(dir, []folder.File{folder.Bytes("weights", []byte{1, 2, 3})}, func(temp string) ([]folder.File, error) {
		info, err := os.Stat(filepath.Join(temp, "weights"))
		if err != nil {
			return nil, err
		}
		return []folder.File{folder.Bytes("README.md", fmt.Appendf(nil, "%d weights", info.Size()))}, nil
	})
	card, _ := os.ReadFile(filepath.Join(dir, "README.md"))
	fmt.Println(string(card), err)
	// Output: 3 weights <nil>
}
