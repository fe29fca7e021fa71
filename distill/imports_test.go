package distill

import (
	"go/build"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
)

// rules says, by folder, what of ours a package may import: a prefix each. The
// most specific folder decides.
var rules = map[string][]string{
	"distill/cmd":        {"stillhouse/distill", "stillhouse/layers", "stillhouse/data", "stillhouse/checkpoints", "stillhouse/recipes", "stillhouse/experiments"},
	"distill":            {"stillhouse/distill", "stillhouse/layers", "stillhouse/data", "stillhouse/checkpoints", "stillhouse/recipes"},
	"distill/importance": {"stillhouse/layers"},
	"layers":             {"stillhouse/layers"},
	"layers/tensor":      {"-"},
	"data":               {"stillhouse/data"},
	"recipes":            {"-"},
	"checkpoints":        {"stillhouse/checkpoints", "stillhouse/layers/tensor"},
	"experiments":        {"stillhouse/"},
}

// owners says which folders may import a library that must not spread.
var owners = map[string][]string{
	"github.com/spf13/viper":            {"recipes"},
	"gorgonia.org/gorgonia":             {"layers", "distill/importance"},
	"gorgonia.org/tensor":               {"layers", "distill/importance"},
	"github.com/spf13/cobra":            {"distill/cmd"},
	"github.com/schollz/progressbar/v3": {"distill/cmd"},
	"gonum.org/v1/plot":                 {"distill", "experiments"},
	"stillhouse/experiments":            {"distill/cmd", "experiments"},
	"stillhouse/layers/internal":        {"layers"},
}

func under(pkg, folder string) bool { return pkg == folder || strings.HasPrefix(pkg, folder+"/") }

func TestImportsFollowTheHouse(t *testing.T) {
	packages(t, func(rel string, p *build.Package) { check(t, rel, p.Imports) })
}

func check(t *testing.T, pkg string, imports []string) {
	folder := pkg
	for rules[folder] == nil && folder != "." {
		folder = path.Dir(folder)
	}
	for _, imp := range imports {
		if strings.HasPrefix(imp, "stillhouse/") {
			allowed := func(a string) bool { return under(imp, strings.TrimSuffix(a, "/")) }
			if rules[folder] == nil || !slices.ContainsFunc(rules[folder], allowed) {
				t.Errorf("%s imports %s: may import %v", pkg, imp, rules[folder])
			}
		}
		for lib, folders := range owners {
			owns := func(f string) bool { return under(pkg, f) }
			if under(imp, lib) && !slices.ContainsFunc(folders, owns) {
				t.Errorf("%s imports %s: only %v may", pkg, imp, folders)
			}
		}
	}
}

func TestTheTopLevelIsFixed(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	fixed := strings.Fields("distill layers data recipes checkpoints experiments go.mod go.sum Makefile README.md LICENSE runs")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(fixed, e.Name()) {
			t.Errorf("%s is outside of the fixed top level", e.Name())
		}
	}
}
