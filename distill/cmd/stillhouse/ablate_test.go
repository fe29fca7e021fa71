package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twoArms is an ablation of two runs of a second each.
const twoArms = `version: 1
extends: tiny
name: two
teacher: {train: {max_steps: 3, tokenizer: {vocab_size: 270}}}
plan: {mamba_layers: [1], rescore: false}
finish: []
eval: {tasks: [{name: recall, items: 2}], contexts: []}
ablations:
  seeds: [0]
  arms:
    - name: kept
    - name: other
      set: [{key: student.mixer.init, value: mil}]
`

// typed runs a command line and returns its exit code and both streams.
func typed(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	a := newApp(&o, &e)
	ctx := withArgs(context.Background(), a, append(args, "--progress", "none"))
	code = a.finish(a.command().ExecuteContext(ctx), &signalState{})
	return code, o.String(), e.String()
}

func TestAblateRunsReusesAndReports(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "two.yaml")
	if err := os.WriteFile(file, []byte(twoArms), 0o600); err != nil {
		t.Fatal(err)
	}
	place := "output_dir=" + filepath.Join(dir, "out")
	code, first, errs := typed(t, "ablate", file, "--set", place)
	if code != exitOK || !strings.Contains(first, "cells: 2 run, 0 reused, 0 failed") {
		t.Fatalf("exit %d\n%s\n%s", code, first, errs)
	}
	code, second, errs := typed(t, "ablate", file, "--set", place)
	if code != exitOK || !strings.Contains(second, "cells: 0 run, 2 reused, 0 failed") {
		t.Fatalf("exit %d\n%s\n%s", code, second, errs)
	}
	code, report, errs := typed(t, "ablate", "--report", filepath.Join(dir, "out"))
	if code != exitOK || !strings.HasPrefix(report, "# two\n\n2 of 2 cells complete.") {
		t.Fatalf("exit %d\n%s\n%s", code, report, errs)
	}
	if table, _, _ := strings.Cut(second, "\ncells:"); !strings.HasPrefix(report, table) {
		t.Errorf("the report differs from what the run printed:\n%s\n%s", report, table)
	}
	for _, f := range []string{"table.md", "results.json", "figure.svg"} {
		if !strings.Contains(report, "wrote "+filepath.Join(dir, "out", f)) {
			t.Errorf("%s was not written", f)
		}
	}

	// A failed cell makes the exit code 3, and the result is printed all the same.
	if err := os.WriteFile(filepath.Join(dir, "out", "other-seed-0", "failure.json"), []byte(`{"error": "out of luck"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := typed(t, "ablate", file, "--set", place, "--json")
	if code != exitPartial || !strings.Contains(errs, `"code":3`) {
		t.Errorf("exit %d, %s; want 3", code, errs)
	}
	var res struct {
		Session struct{ Reused, Failed int }
		Cells   []struct{ Status, Error string }
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatal(err)
	}
	if res.Session.Failed != 1 || res.Session.Reused != 1 || len(res.Cells) != 2 || res.Cells[1].Error != "out of luck" {
		t.Errorf("%+v", res)
	}
}

func TestAblateRefusesWrongUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"ablate"}, "want one recipe"},
		{[]string{"ablate", "controls", "--report", "runs/controls"}, "want one recipe"},
		{[]string{"ablate", "quickstart"}, "has no ablations"},
		{[]string{"ablate", "--report", t.TempDir()}, "no folder of an ablation"},
		{[]string{"ablate", "controls", "--only", "stagd", "--set", "output_dir=" + filepath.Join(t.TempDir(), "x")}, "staged-mil-fit"},
		{[]string{"ablate", "controls", "--set", "ablations.seeds=[1,1]"}, "listed twice"},
	} {
		if code, _, errs := typed(t, c.args...); code != exitUsage || !strings.Contains(errs, c.want) {
			t.Errorf("%v: exit %d, %q; want %d and %q", c.args, code, errs, exitUsage, c.want)
		}
	}
}
