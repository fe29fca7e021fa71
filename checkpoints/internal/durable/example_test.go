package durable_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"stillhouse/checkpoints/internal/durable"
)

// A file that is replaced has its old bytes or its new ones, whenever the power
// fails; nothing unfinished keeps its name.
func Example() {
	dir, err := os.MkdirTemp("", "durable")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	disk, path := durable.OS(), filepath.Join(dir, "state.json")
	for _, text := range []string{"step 1", "step 2"} {
		if err := disk.Replace(path, 0o666, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return err
		}); err != nil {
			fmt.Println(err)
			return
		}
	}
	b, err := os.ReadFile(path)
	entries, err2 := os.ReadDir(dir)
	fmt.Println(string(b), len(entries), err, err2)
	// Output:
	// step 2 1 <nil> <nil>
}
