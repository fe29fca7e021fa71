package main

import (
	"bytes"
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// clockAt is a clock that is moved by hand.
type clockAt struct{ t time.Time }

func (c *clockAt) now() time.Time         { return c.t }
func (c *clockAt) pass(d time.Duration)   { c.t = c.t.Add(d) }
func noon() *clockAt                      { return &clockAt{time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)} }
func lines(b *bytes.Buffer) (ls []string) { return strings.Split(strings.TrimSpace(b.String()), "\n") }
func plain(b *bytes.Buffer, c *clockAt) *lineProgress {
	return &lineProgress{w: b, pace: pace{now: c.now}}
}

func TestTimeLeftCountsThisSessionsStepsOnly(t *testing.T) {
	c := noon()
	p := pace{now: c.now}
	p.begin("stage 1/3 · all", 1000)
	p.advance(900, "") // an earlier session's
	c.pass(10 * time.Second)
	if left, ok := p.left(); ok {
		t.Errorf("%v left, before any step", left)
	}
	p.advance(910, "loss 0.4")
	if left, ok := p.left(); !ok || left != 90*time.Second {
		t.Errorf("%v left, want 90 s: 10 steps in 10 s, 90 to go", left)
	}
	p.begin("score layers by mmr", 100)
	p.advance(25, "25 of 100") // work of this session: it has facts
	c.pass(25 * time.Second)
	if left, ok := p.left(); !ok || left != 75*time.Second {
		t.Errorf("%v left, want 75 s", left)
	}
	p.advance(100, "")
	if _, ok := p.left(); ok {
		t.Error("something is left at the end")
	}
}

func TestPlainLinesComeEveryHalfMinuteAndAtTheEnd(t *testing.T) {
	c, b := noon(), &bytes.Buffer{}
	p := plain(b, c)
	p.Begin("stage 1/3 · all", 100)
	p.Advance(0, "")
	for i := range 100 {
		c.pass(time.Second)
		p.Advance(i+1, "loss 0.5 · 9.1k tok/s")
	}
	p.End()
	p.Note("stage-1  AAMA")
	want := []string{
		"12:00:30  stage 1/3 · all  30/100  loss 0.5 · 9.1k tok/s  1m10s left",
		"12:01:00  stage 1/3 · all  60/100  loss 0.5 · 9.1k tok/s  40s left",
		"12:01:30  stage 1/3 · all  90/100  loss 0.5 · 9.1k tok/s  10s left",
		"12:01:40  stage 1/3 · all  100/100  loss 0.5 · 9.1k tok/s  took 1m40s",
		"12:01:40  stage-1  AAMA",
	}
	if got := lines(b); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWorkThatWasDoneBeforePrintsNothing(t *testing.T) {
	c, b := noon(), &bytes.Buffer{}
	p := plain(b, c)
	p.Begin("stage 1/3 · all", 100)
	p.Advance(100, "")
	p.End()
	if b.Len() > 0 {
		t.Errorf("printed %q", b.String())
	}
}

func TestABarShowsCountFactsAndTimeLeft(t *testing.T) {
	c, b := noon(), &bytes.Buffer{}
	p := &barProgress{w: b, pace: pace{now: c.now}}
	p.Begin("stage 1/3 · all", 100)
	p.Advance(40, "")
	c.pass(10 * time.Second)
	p.Advance(50, "loss 0.5")
	time.Sleep(120 * time.Millisecond) // the bar's own throttle
	p.Advance(50, "loss 0.5")
	p.Note("a note")
	p.End()
	for _, want := range []string{"stage 1/3 · all · loss 0.5 · 50s left", "(50/100)", "a note\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the bar does not show %q: %q", want, b.String())
		}
	}
	p.Advance(60, "late") // after the end: nothing to draw on
}

func TestProgressAsJSONIsOneObjectALine(t *testing.T) {
	b := &bytes.Buffer{}
	p := &jsonProgress{enc: json.NewEncoder(b)}
	p.Begin("evaluate", 2)
	p.Advance(1, "tasks")
	p.Note("kept")
	p.End()
	var types []string
	for _, l := range lines(b) {
		var e progressEvent
		if err := json.Unmarshal([]byte(l), &e); err != nil {
			t.Fatalf("%v in %q", err, l)
		}
		types = append(types, e.Type)
	}
	if want := []string{"begin", "advance", "note", "end"}; !slices.Equal(types, want) {
		t.Errorf("got %v, want %v", types, want)
	}
}

func TestDurationsDropDigitsNobodyReads(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0s",
		3456 * time.Microsecond: "3ms",
		1234 * time.Millisecond: "1.2s",
		83 * time.Second:        "1m23s",
		time.Hour + 20*time.Minute + 31*time.Second: "1h21m",
		25 * time.Hour: "25h0m",
	} {
		if got := duration(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}

func TestABarThatHasEndedDrawsNoMore(t *testing.T) {
	for _, total := range []int{0, 9} {
		before := runtime.NumGoroutine()
		var b bytes.Buffer
		p := &barProgress{pace: pace{now: time.Now}, w: &b}
		p.Begin("evaluate", total)
		p.Advance(1, "held-out text 1/2")
		if !strings.Contains(b.String(), "held-out text 1/2") {
			t.Errorf("of %d: nothing was drawn: %q", total, b.String())
		}
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("of %d: %d goroutines draw on", total, n-before)
		}
		p.End()
	}
}
