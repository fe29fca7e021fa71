package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"stillhouse/distill"
)

// newProgress chooses how a run shows itself on stderr: a live bar on a
// terminal, plain lines with a time stamp in a pipe, one JSON object a line, or
// nothing but notes.
func newProgress(mode string, w *os.File) (distill.Progress, error) {
	if mode == "auto" {
		mode = "plain"
		if term.IsTerminal(int(w.Fd())) && os.Getenv("TERM") != "dumb" {
			mode = "bar"
		}
	}
	switch mode {
	case "bar":
		return &barProgress{w: w}, nil
	case "plain":
		return &lineProgress{w: w, now: time.Now}, nil
	case "json":
		return &jsonProgress{enc: json.NewEncoder(w)}, nil
	case "none":
		return distill.Quiet{}, nil
	}
	return nil, usageError("--progress is %q: want auto, bar, plain, json or none", mode)
}

// barProgress draws one progress bar at a time, at most ten times a second.
type barProgress struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

func (p *barProgress) Begin(what string, total int) {
	if total == 0 {
		total = -1
	}
	p.bar = progressbar.NewOptions(total,
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetDescription(fmt.Sprintf("%-28s", what)),
		progressbar.OptionShowCount(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "━", SaucerHead: "━", SaucerPadding: "─", BarStart: "", BarEnd: ""}),
	)
	p.describe(what)
}

func (p *barProgress) describe(what string) { p.bar.Describe(fmt.Sprintf("%-46s", what)) }

func (p *barProgress) Advance(done int, facts string) {
	if p.bar == nil {
		return
	}
	if facts != "" {
		p.describe(facts)
	}
	_ = p.bar.Set(done) // a bar that cannot be drawn is no reason to stop a run
}

func (p *barProgress) End() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}

func (p *barProgress) Note(line string) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.w, line)
}

// lineProgress writes a line at the start and end of a piece of work, and every
// half minute in between.
type lineProgress struct {
	w           io.Writer
	now         func() time.Time
	what, facts string
	total, done int
	began, last time.Time
}

const lineEvery = 30 * time.Second

func (p *lineProgress) Begin(what string, total int) {
	p.what, p.total, p.done, p.facts = what, total, 0, ""
	p.began = p.now()
	p.last = p.began
}

func (p *lineProgress) Advance(done int, facts string) {
	p.done = done
	if facts != "" {
		p.facts = facts
	}
	if t := p.now(); t.Sub(p.last) >= lineEvery {
		p.last = t
		p.line()
	}
}

func (p *lineProgress) End() {
	if p.done > 0 {
		p.line()
	}
	p.what = ""
}

func (p *lineProgress) line() {
	took := p.now().Sub(p.began)
	s := fmt.Sprintf("%s  %s", p.now().Format(time.TimeOnly), p.what)
	if p.total > 0 {
		s += fmt.Sprintf("  %d/%d", p.done, p.total)
	}
	if p.facts != "" {
		s += "  " + p.facts
	}
	if p.done > 0 && p.done < p.total {
		s += fmt.Sprintf("  %s left", (took * time.Duration(p.total-p.done) / time.Duration(p.done)).Round(time.Second))
	} else {
		s += fmt.Sprintf("  %s", took.Round(100*time.Millisecond))
	}
	fmt.Fprintln(p.w, s)
}

func (p *lineProgress) Note(line string) {
	fmt.Fprintf(p.w, "%s  %s\n", p.now().Format(time.TimeOnly), line)
}

// jsonProgress writes one object a line.
type jsonProgress struct {
	enc  *json.Encoder
	what string
	n    int
}

type progressEvent struct {
	Type  string `json:"type"` // begin, advance, end, note
	What  string `json:"what,omitempty"`
	Done  int    `json:"done,omitempty"`
	Total int    `json:"total,omitempty"`
	Facts string `json:"facts,omitempty"`
}

func (p *jsonProgress) write(e progressEvent) { _ = p.enc.Encode(e) }

func (p *jsonProgress) Begin(what string, total int) {
	p.what, p.n = what, total
	p.write(progressEvent{Type: "begin", What: what, Total: total})
}
func (p *jsonProgress) Advance(done int, facts string) {
	p.write(progressEvent{Type: "advance", What: p.what, Done: done, Total: p.n, Facts: facts})
}
func (p *jsonProgress) End()             { p.write(progressEvent{Type: "end", What: p.what}) }
func (p *jsonProgress) Note(line string) { p.write(progressEvent{Type: "note", Facts: line}) }
