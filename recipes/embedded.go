package recipes

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Info is an embedded recipe.
type Info struct {
	Name    string `json:"name"`
	Summary string `json:"summary"` // the first line of its opening comment
}

// List returns the embedded recipes, by name.
func List() []Info {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic("recipes: " + err.Error()) // the files are in the binary
	}
	var list []Info
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".yaml")
		data, err := files.ReadFile(e.Name())
		if err != nil {
			panic("recipes: " + err.Error())
		}
		first, _, _ := strings.Cut(string(data), "\n")
		list = append(list, Info{name, strings.TrimSpace(strings.TrimLeft(first, "# "))})
	}
	return list
}

func names() []string {
	var out []string
	for _, i := range List() {
		out = append(out, i.Name)
	}
	return out
}

// Show returns an embedded recipe as it was written, comments included.
func Show(name string) ([]byte, error) {
	name = strings.TrimSuffix(name, ".yaml")
	if strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("no embedded recipe %s; hint: there are %s", name, strings.Join(names(), ", "))
	}
	data, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("no embedded recipe %s; hint: there are %s", name, strings.Join(names(), ", "))
	}
	return data, nil
}

// Copy writes an embedded recipe to a file to start from. It never overwrites.
func Copy(name, path string) error {
	data, err := Show(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("copy recipe: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("copy recipe: %w", err)
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		return fmt.Errorf("copy recipe: %w", err)
	}
	return f.Close()
}
