package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/recipes"
)

func TestRecipesAreListedShownAndCopied(t *testing.T) {
	dir := inFolder(t)
	_, out, _ := cli("recipes", "list")
	for _, r := range recipes.List() {
		if !strings.Contains(out, r.Name+" ") || !strings.Contains(out, r.Summary) {
			t.Errorf("the list leaves out %s:\n%s", r.Name, out)
		}
	}
	want, err := recipes.Show("tiny")
	if err != nil {
		t.Fatal(err)
	}
	if _, out, _ := cli("recipes", "show", "tiny"); out != string(want) {
		t.Errorf("show changes the recipe:\n%s", out)
	}
	if _, out, _ := cli("recipes", "show", "tiny", "--set", "seed=11"); !strings.Contains(out, "\nseed: 11\n") || !strings.Contains(out, "adam_epsilon") {
		t.Errorf("show --set is not resolved:\n%s", out)
	}
	file := filepath.Join(dir, "mine.yaml")
	if code, out, errs := cli("recipes", "copy", "tiny", file); code != exitOK || out != file+"\n" {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("the copy differs: %v", err)
	}
	if code, _, errs := cli("recipes", "copy", "tiny", file); code != exitUsage || !strings.Contains(errs, "is not overwritten") {
		t.Errorf("exit %d, %q; want a refusal to overwrite", code, errs)
	}
	if _, out, _ := cli("recipes", "schema"); !json.Valid([]byte(out)) || !strings.Contains(out, "keep_attention") {
		t.Errorf("the schema is none: %.80s", out)
	}
}

func TestCheckReportsEveryProblemWithLineAndColumn(t *testing.T) {
	dir := inFolder(t)
	bad := write(t, filepath.Join(dir, "bad.yaml"), "version: 1\nextends: tiny\nphasez: 3\ntrain: {lr: 3}\n")
	code, out, errs := cli("recipes", "check", "tiny", bad)
	if code != exitUsage || out != "tiny: ok, 2 stages, 9.2k tokens\n" {
		t.Errorf("exit %d, stdout %q", code, out)
	}
	for _, want := range []string{bad + ":3:1: ", bad + ":4:9: ", "did you mean phases?", "2 problems"} {
		if !strings.Contains(errs, want) {
			t.Errorf("stderr does not say %q:\n%s", want, errs)
		}
	}
	code, out, _ = cli("recipes", "check", "tiny", bad, "nope", "--json")
	var res struct{ Recipes []checked }
	if err := json.Unmarshal([]byte(out), &res); err != nil {
		t.Fatal(err)
	}
	if r := res.Recipes; code != exitUsage || len(r) != 3 || !r[0].OK || len(r[1].Problems) != 2 || r[1].Problems[1].Column != 9 || r[2].Error == "" {
		t.Errorf("exit %d, %+v", code, r)
	}
}
