package data

// The Go distribution as a corpus: some 60 MB of well-written text that every
// machine with a Go compiler has. It differs between Go versions, so a figure
// that is to be compared across machines is measured on tasks or prose.

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	goHint        = "hint: install Go, set GOROOT, or name a folder of Go source as the path of the source, e.g. --set data.train.0.path=DIR"
	largestGoFile = 256 << 10 // larger ones are tables
)

// openGo opens the Go tree at path or, if that is empty, of this machine.
func openGo(path string, cfg *Config, cache *cache) (source, error) {
	root := path
	if root == "" {
		var err error
		if root, err = goRoot(); err != nil {
			return nil, err
		}
	}
	c := newCorpus("go", root, cfg, cache)
	// A distribution has src and texts beside it; any other folder is taken whole.
	folder := "src"
	if _, err := os.Stat(filepath.Join(root, folder)); err != nil {
		folder = ""
	}
	if err := c.list(folder, isGoText); err != nil {
		return nil, fmt.Errorf("%w; %s", err, goHint)
	}
	if folder != "" {
		for _, name := range []string{"CONTRIBUTING.md", "LICENSE", "PATENTS", "README.md", "SECURITY.md"} {
			if _, err := os.Stat(filepath.Join(root, name)); err == nil {
				c.files = append([]string{name}, c.files...)
			}
		}
	}
	if err := c.readTexts(largestGoFile, isGenerated, cfg); err != nil {
		return nil, fmt.Errorf("%s: %w; %s", root, err, goHint)
	}
	return c, nil
}

// goRoot asks the environment, then the go command. (runtime.GOROOT knows no
// more, and nothing in a binary built with -trimpath.)
func goRoot() (string, error) {
	if root := os.Getenv("GOROOT"); root != "" {
		return root, nil
	}
	out, err := exec.Command("go", "env", "GOROOT").Output()
	root := strings.TrimSpace(string(out))
	if err != nil || root == "" {
		return "", fmt.Errorf("no Go source on this machine: GOROOT is not set and the go command gives none (%v); %s", err, goHint)
	}
	return root, nil
}

// isGoText chooses files by name and size.
func isGoText(name string, size int64) bool {
	if size > largestGoFile {
		return false
	}
	switch filepath.Ext(name) {
	case ".go", ".md", ".txt":
		return true
	}
	return name == "LICENSE" || name == "README" || name == "PATENTS"
}

var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// isGenerated finds the mark of generated Go files, which are mostly tables.
func isGenerated(head []byte) bool {
	return isBinary(head) || bytes.HasPrefix(head, []byte("// Code generated")) || generatedLine.Match(head[:min(len(head), 4<<10)])
}
