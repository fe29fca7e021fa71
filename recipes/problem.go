package recipes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Problem is one thing wrong with a recipe: where, what, and what to do.
type Problem struct {
	File    string `json:"file"`             // of the recipe; --set or environment for those
	Line    int    `json:"line,omitempty"`   // from 1; 0 for a flag or a variable
	Column  int    `json:"column,omitempty"` // from 1, in characters
	Key     string `json:"key,omitempty"`    // dotted
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Source  string `json:"source,omitempty"` // the line, the flag's argument or the variable
}

// String is the problem as a compiler would put it.
func (p Problem) String() string {
	var b strings.Builder
	place := p.File
	gutter := ""
	switch {
	case p.Line > 0:
		place = fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
		gutter = fmt.Sprintf("%5d", p.Line)
	case p.Source != "":
		gutter = "     "
	}
	fmt.Fprintf(&b, "%s: %s", place, p.Message)
	if p.Source != "" {
		source, column := window(p.Source, p.Column)
		fmt.Fprintf(&b, "\n%s | %s", gutter, source)
		if column > 0 {
			fmt.Fprintf(&b, "\n%*s | %s^", len(gutter), "", blank(source, column-1))
		}
	}
	if p.Hint != "" {
		fmt.Fprintf(&b, "\n  hint: %s", p.Hint)
	}
	return b.String()
}

// window cuts a long line around the column.
func window(line string, column int) (string, int) {
	const before, width = 60, 110
	r := []rune(line)
	if len(r) <= width {
		return line, column
	}
	from := max(0, min(column-before, len(r)-width))
	cut := string(r[from:min(len(r), from+width)])
	if from > 0 {
		cut, column = "… "+cut, column+2
	}
	if from+width < len(r) {
		cut += " …"
	}
	return cut, column - from
}

// blank is n characters of white space as wide as the start of the line.
func blank(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n--; n < 0 {
			break
		}
		if r == '\t' {
			b.WriteRune(r)
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}

// Problems is everything wrong with a recipe, in the order of its lines.
type Problems []Problem

// Error lists all problems.
func (p Problems) Error() string {
	var b strings.Builder
	for _, x := range p {
		b.WriteString(x.String())
		b.WriteByte('\n')
	}
	if len(p) == 1 {
		b.WriteString("1 problem")
	} else {
		fmt.Fprintf(&b, "%d problems", len(p))
	}
	return b.String()
}

func (p Problems) err() error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	// What one section takes from another is wrong in both, but was written once.
	return slices.CompactFunc(p, func(a, b Problem) bool { a.Key = b.Key; return a == b })
}

// at places a problem at an origin.
func at(o Origin, key, hint, format string, args ...any) Problem {
	p := Problem{Line: o.Line, Column: o.Column, Key: key, Message: fmt.Sprintf(format, args...), Hint: hint, Source: o.Text}
	switch o.Kind {
	case FromEnvironment:
		p.File = "environment"
	case FromFlag:
		p.File = "--set"
	default:
		p.File = o.File
	}
	p.Column = min(p.Column, utf8.RuneCountInString(p.Source)+1)
	return p
}
