package distill

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stillhouse/checkpoints"
)

// reportOf reads a run's report.
func reportOf(t *testing.T, dir string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, checkpoints.ReportFile))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var outside = regexp.MustCompile(`(?i)(src|href|action|data|poster)\s*=\s*["']?\s*(https?:)?//|url\(\s*["']?(https?:)?//|@import|<(script|link|iframe|object|embed|base)\b`)

// mustStandAlone fails when a page asks for anything that it does not hold, or
// when one of its tags is not closed.
func mustStandAlone(t *testing.T, html string) {
	t.Helper()
	if found := outside.FindString(html); found != "" {
		t.Errorf("the report reaches outside: %s", found)
	}
	d := xml.NewDecoder(strings.NewReader(html))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "br"}, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("the report's tags: %v", err)
		}
	}
}

// mustBeFigures checks each figure file of a run and returns their names.
func mustBeFigures(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "figures", "*"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d, root := xml.NewDecoder(bytes.NewReader(b)), ""
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", f, err)
			}
			if s, ok := token.(xml.StartElement); ok && root == "" {
				root = s.Name.Space + " " + s.Name.Local
			}
		}
		if root != "http://www.w3.org/2000/svg svg" {
			t.Errorf("%s begins with <%s>: no viewer opens it", f, root)
		}
		if bytes.Contains(b, []byte("NaN")) || bytes.Contains(b, []byte("Inf")) {
			t.Errorf("%s has a place that is no number", f)
		}
		names[strings.TrimSuffix(filepath.Base(f), ".svg")] = true
	}
	return names
}

func TestTheReportStandsAloneAndSaysWhatTheRunFound(t *testing.T) {
	r := tinyRecipe(t)
	res := runAll(t, r, Options{Command: "stillhouse run tiny <b>", Version: "v1.2.3"})
	html := reportOf(t, r.OutputDir)
	mustStandAlone(t, html)
	for _, want := range []string{
		`aria-label="layers by stage"`, "outlined: replaced at that stage", // the strip
		"What each stage keeps", "Speed and memory against context", "Importance of each layer",
		"stillhouse run tiny &lt;b&gt;", "v1.2.3", "keep_attention", res.Teacher, "mmr (stage 2)", "recall<br>generate",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	for _, e := range res.Evaluations {
		if !strings.Contains(html, "<td>"+e.Name+`</td><td class="strip">`+e.Strip+"</td>") {
			t.Errorf("the report lacks the row of %s", e.Name)
		}
	}
	if strings.Contains(html, "This run is not complete") {
		t.Error("it says that the run is not complete")
	}
	names := mustBeFigures(t, r.OutputDir)
	for _, n := range []string{"layers", "loss", "kl", "decode", "state", "scores"} {
		if !names[n] {
			t.Errorf("there is no figure %s, only %v", n, names)
		}
	}
	if n := strings.Count(html, "<svg"); n != len(names) {
		t.Errorf("the report shows %d figures of %d", n, len(names))
	}

	before := files(t, r.OutputDir)
	if err := errors.Join(os.Remove(filepath.Join(r.OutputDir, checkpoints.ReportFile)), os.RemoveAll(filepath.Join(r.OutputDir, "figures"))); err != nil {
		t.Fatal(err)
	}
	if err := WriteReport(r.OutputDir, "another"); err != nil {
		t.Fatal(err)
	}
	after := files(t, r.OutputDir)
	for f, sum := range before {
		if after[f] != sum {
			t.Errorf("made again, %s has other bytes", f)
		}
	}
}

// TestAReportIsThereForARunThatIsNotComplete stops at many places: each time the
// report says so, and can be made again to the same bytes.
func TestAReportIsThereForARunThatIsNotComplete(t *testing.T) {
	r := tinyRecipe(t)
	for _, b := range breaks[:len(breaks)-1] {
		if _, err := runUntil(t, r, func(what string, done int) bool { return what == b.what && done >= b.done }); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("%s %d: %v", b.what, b.done, err)
		}
		html := reportOf(t, r.OutputDir)
		mustStandAlone(t, html)
		mustBeFigures(t, r.OutputDir)
		if !regexp.MustCompile("This run is not complete: .*" + ErrInterrupted.Error()).MatchString(html) {
			t.Errorf("%s %d: the report does not say that the run was interrupted", b.what, b.done)
		}
		if err := WriteReport(r.OutputDir, ""); err != nil {
			t.Fatal(err)
		}
		if reportOf(t, r.OutputDir) != html {
			t.Errorf("%s %d: made again, the report is another", b.what, b.done)
		}
	}
}

func TestAReportOfAKilledRunSaysSo(t *testing.T) {
	r := tinyRecipe(t)
	if err := child(t, r, "50"); err == nil {
		t.Fatal("it was not killed")
	}
	if err := WriteReport(r.OutputDir, "v1"); err != nil {
		t.Fatal(err)
	}
	html := reportOf(t, r.OutputDir)
	mustStandAlone(t, html)
	if !strings.Contains(html, "This run is not complete: "+underWay) {
		t.Error("the report does not say that the run is not complete")
	}
}

// TestAReportCannotBeMadeOfNoRun leaves nothing behind.
func TestAReportCannotBeMadeOfNoRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "missing")
	if err := WriteReport(dir, ""); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("the folder was made")
	}
}
