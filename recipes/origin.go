package recipes

import "fmt"

// Kind says by which way a value came into a recipe.
type Kind string

// The ways, weakest first.
const (
	FromDefault     Kind = "default"
	FromPreset      Kind = "preset" // the recipe named by extends
	FromFile        Kind = "file"
	FromEnvironment Kind = "environment"
	FromFlag        Kind = "flag"
)

// Origin is where a value came from. Line and Column count from 1; for a flag
// or a variable there is no line, and Column is within Text.
type Origin struct {
	Kind   Kind   `json:"kind"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	Text   string `json:"text,omitempty"` // the source line, the variable or the flag's argument

	layer int // 0 is the defaults; a higher layer wins
}

// String is default, quickstart.yaml:12, STILLHOUSE_SEED=1 or --set seed=1.
func (o Origin) String() string {
	switch o.Kind {
	case FromPreset, FromFile:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	case FromEnvironment:
		return o.Text
	case FromFlag:
		return "--set " + o.Text
	}
	return string(FromDefault)
}

// Origin returns where the value of a dotted key came from. ok is false if the
// recipe has no such key or was not loaded. A table came from where it was
// first written.
func (r *Recipe) Origin(key string) (o Origin, ok bool) {
	if r.tree == nil {
		return o, false
	}
	n, _, all := r.tree.find(key)
	if !all {
		return o, false
	}
	return n.from, true
}
