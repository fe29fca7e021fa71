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

// newProgress chooses how work shows itself on stderr: a live bar on a
// terminal, plain lines with a time stamp in a pipe, one JSON object a line, or
// nothing.
func (a *app) newProgress() (distill.Progress, error) {
	mode := a.progress
	if mode == "auto" {
		mode = "plain"
		if f, ok := a.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb" {
			mode = "bar"
		}
	}
	if a.quiet && (mode == "plain" || mode == "bar") {
		mode = "none"
	}
	switch mode {
	case "bar":
		return &barProgress{w: a.err, pace: pace{now: time.Now}}, nil
	case "plain":
		return &lineProgress{w: a.err, pace: pace{now: time.Now}}, nil
	case "json":
		return &jsonProgress{enc: json.NewEncoder(a.err)}, nil
	case "none":
		return distill.Quiet{}, nil
	}
	return nil, usageError("--progress is %q: want auto, bar, plain, json or none", mode)
}

// pace knows how fast a piece of work goes. It counts what this session did: a
// resumed phase begins in the middle, and that took no time.
type pace struct {
	now                func() time.Time
	what, facts        string
	total, first, done int
	told               bool
	began              time.Time
}

func (p *pace) begin(what string, total int) {
	*p = pace{now: p.now, what: what, total: total, began: p.now()}
}

func (p *pace) advance(done int, facts string) {
	if !p.told && facts == "" {
		p.first = done
	}
	p.told, p.done = true, done
	if facts != "" {
		p.facts = facts
	}
}

// left is how long the rest will take; ok is false while nothing can be said.
func (p *pace) left() (d time.Duration, ok bool) {
	took, did := p.now().Sub(p.began), p.done-p.first
	if did < 3 || p.done >= p.total || took < 2*time.Second { // the first steps warm up
		return 0, false
	}
	return time.Duration(float64(took) * float64(p.total-p.done) / float64(did)), true
}

// round drops digits that nobody reads.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Hour:
		return d.Round(time.Minute)
	case d >= 10*time.Second:
		return d.Round(time.Second)
	case d >= time.Second:
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// duration writes 1h20m, not 1h20m0s.
func duration(d time.Duration) string {
	s := round(d).String()
	if d >= time.Hour {
		s = s[:len(s)-len("0s")]
	}
	return s
}

// barProgress draws one progress bar at a time, at most ten times a second.
type barProgress struct {
	pace
	w   io.Writer
	bar *progressbar.ProgressBar
}

func (p *barProgress) Begin(what string, total int) {
	p.begin(what, total)
	how := []progressbar.Option{
		progressbar.OptionSetWriter(p.w),
		progressbar.OptionSetDescription(what),
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionSetWidth(20),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0), // else a goroutine draws it for ever, after its end too
		progressbar.OptionSetTheme(progressbar.Theme{Saucer: "━", SaucerHead: "━", SaucerPadding: "─", BarStart: "", BarEnd: ""}),
	}
	if total > 0 {
		how = append(how, progressbar.OptionShowCount())
	} else {
		total = -1 // a spinner; the facts count
	}
	p.bar = progressbar.NewOptions(total, how...)
}

func (p *barProgress) Advance(done int, facts string) {
	if p.bar == nil {
		return
	}
	p.advance(done, facts)
	s := p.what
	if p.facts != "" {
		s += " · " + p.facts
	}
	if left, ok := p.left(); ok {
		s += " · " + duration(left) + " left"
	}
	p.bar.Describe(s)
	_ = p.bar.Set(done) // a bar that cannot be drawn is no reason to stop a run
}

func (p *barProgress) End() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

func (p *barProgress) Note(line string) {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
	fmt.Fprintln(p.w, line)
}

// lineProgress writes a line at the end of a piece of work, and every half
// minute before.
type lineProgress struct {
	pace
	w    io.Writer
	last time.Time
}

const lineEvery = 30 * time.Second

func (p *lineProgress) Begin(what string, total int) {
	p.begin(what, total)
	p.last = p.began
}

func (p *lineProgress) Advance(done int, facts string) {
	p.advance(done, facts)
	if t := p.now(); t.Sub(p.last) >= lineEvery && (p.total == 0 || done < p.total) { // End has the last line
		p.last = t
		p.line("")
	}
}

func (p *lineProgress) End() {
	if p.done > p.first {
		p.line("took " + duration(p.now().Sub(p.began)))
	}
	p.what = ""
}

func (p *lineProgress) line(end string) {
	s := p.now().Format(time.TimeOnly) + "  " + p.what
	if p.total > 0 {
		s += fmt.Sprintf("  %d/%d", p.done, p.total)
	}
	if p.facts != "" {
		s += "  " + p.facts
	}
	if left, ok := p.left(); ok && end == "" {
		end = duration(left) + " left"
	}
	if end != "" {
		s += "  " + end
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
