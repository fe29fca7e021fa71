package distill

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// packages calls f for every folder of the repository with Go files in it, by
// its path from the top.
func packages(t *testing.T, f func(rel string, p *build.Package)) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		if n := d.Name(); n != ".." && strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") || n == "testdata" || n == "runs" {
			return filepath.SkipDir
		}
		b, err := build.ImportDir(p, 0)
		if err != nil {
			return nil // a folder without Go files
		}
		seen++
		rel, err := filepath.Rel("..", p)
		if err == nil {
			f(filepath.ToSlash(rel), b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 15 {
		t.Errorf("looked at %d packages: the walk lost its way", seen)
	}
}

// TestEveryPackageHasADocAndAnExample: a package opens with a doc.go that fits a
// screen or two, and shows itself at work in an example whose output is checked.
// A command needs the words only, wherever they stand.
func TestEveryPackageHasADocAndAnExample(t *testing.T) {
	packages(t, func(rel string, p *build.Package) {
		if p.Name == "main" {
			if p.Doc == "" {
				t.Errorf("%s: the command has no package comment", rel)
			}
			return
		}
		if !slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has no doc.go", rel)
			return
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(p.Dir, "doc.go"), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		lines := fset.File(file.Pos()).LineCount()
		switch {
		case file.Doc == nil || !strings.HasPrefix(file.Doc.Text(), "Package "+p.Name+" "):
			t.Errorf("%s/doc.go does not begin with \"Package %s\"", rel, p.Name)
		case len(file.Decls) > 0:
			t.Errorf("%s/doc.go holds code", rel)
		case lines > 80 || lines < 10:
			t.Errorf("%s/doc.go has %d lines, want 10 to 80", rel, lines)
		}
		var tests []*ast.File
		for _, name := range slices.Concat(p.TestGoFiles, p.XTestGoFiles) {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			tests = append(tests, f)
		}
		if !slices.ContainsFunc(doc.Examples(tests...), func(e *doc.Example) bool { return e.Output != "" }) {
			t.Errorf("%s has no example with a checked output", rel)
		}
	})
}
