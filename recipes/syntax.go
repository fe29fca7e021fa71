package recipes

import (
	"errors"
	"strings"

	"github.com/goccy/go-yaml"
)

// syntax reports what the YAML parser refused, in our words. It stops at the
// first error, so this problem comes alone.
func (r *reader) syntax(err error) {
	var e yaml.Error
	if !errors.As(err, &e) || e.GetToken() == nil || e.GetToken().Position == nil {
		r.add(r.place(1, 1), "check quotes, brackets and indentation", "not YAML: %v", err)
		return
	}
	p := e.GetToken().Position
	line, column, hint := p.Line, p.Column, "check quotes, brackets and indentation"
	switch m := e.GetMessage(); {
	case strings.Contains(m, "mapping value is not allowed"):
		hint = "a line more indented than the one before it continues that line; quote a text that holds a colon"
		line, column = r.culprit(line, column)
	case strings.Contains(m, "character '\t'"):
		hint = "indent with spaces, not with tabs"
	case strings.Contains(m, "unexpected key name"):
		hint = "a key is followed by a colon and a space"
	case strings.Contains(m, "must be specified"):
		hint = "this bracket is not closed"
		line, column = r.opened(line, column)
	}
	r.add(r.place(line, column), hint, "not YAML: %s", e.GetMessage())
}

// culprit finds the line that wrongly continues a value: the parser names the
// line on which the value began.
func (r *reader) culprit(line, column int) (int, int) {
	if line < 1 || line >= len(r.lines) || strings.Count(r.lines[line-1], ": ")+1 > 2 {
		return line, column
	}
	for i := line; i < len(r.lines); i++ {
		s := r.lines[i]
		if body := strings.TrimSpace(s); body != "" && body[0] != '#' && strings.Contains(body, ":") {
			return i + 1, len(s) - len(strings.TrimLeft(s, " ")) + 1
		}
	}
	return line, column
}

// depth is how deep flow collections nest: the parser recurses on them.
func depth(text string) (deepest int) {
	d := 0
	for _, c := range text {
		switch c {
		case '[', '{':
			d++
			deepest = max(deepest, d)
		case ']', '}':
			d--
		}
	}
	return deepest
}

// opened finds the last bracket before a place that is still open there: the
// parser names the place where it gave up, often a line later.
func (r *reader) opened(line, column int) (int, int) {
	type spot struct{ line, column int }
	var open []spot
	for i := 0; i < len(r.lines) && i < line; i++ {
		quote, before := rune(0), ' '
		for j, c := range []rune(r.lines[i]) {
			if i == line-1 && j >= column-1 {
				break
			}
			switch {
			case quote != 0:
				if c == quote {
					quote = 0
				}
			case c == '#' && before == ' ':
				before = '#' // the rest is a comment
			case before == '#':
				continue
			case (c == '"' || c == '\'') && strings.ContainsRune(" [{,", before):
				quote = c
			case c == '[' || c == '{':
				open = append(open, spot{i + 1, j + 1})
			case (c == ']' || c == '}') && len(open) > 0:
				open = open[:len(open)-1]
			}
			if before != '#' {
				before = c
			}
		}
	}
	if len(open) == 0 {
		return line, column
	}
	return open[len(open)-1].line, open[len(open)-1].column
}
