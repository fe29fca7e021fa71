package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/checkpoints"
	"stillhouse/distill"
	"stillhouse/recipes"
)

// cli runs a command line as main does.
func cli(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = execute(args, &o, &e)
	return code, o.String(), e.String()
}

// inFolder makes a new folder the current one.
func inFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	return dir
}

func write(t *testing.T, file, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestWrongUsageExitsWithTwoAndSaysWhatToDoOnStderr(t *testing.T) {
	inFolder(t)
	for line, want := range map[string]string{
		"rnu":                           "did you mean run",
		"recipes":                       "Available Commands",
		"recipes lst":                   "did you mean list?",
		"runs":                          "stillhouse runs [command]",
		"bench quick":                   `unknown command "quick" for "stillhouse bench"`,
		"run":                           "usage: stillhouse run RECIPE",
		"run a b":                       "accepts 1 arg(s), received 2",
		"run tiny --bogus":              "unknown flag: --bogus\nhint: stillhouse run --help",
		"run tiny --threads many":       "hint: stillhouse run --help",
		"run quikstart":                 "did you mean quickstart?",
		"run tiny --progress colourful": "want auto, bar, plain, json or none",
		"run tiny --set seed":           "an override without a value",
		"resume nowhere":                "nowhere is no run folder",
		"report nowhere":                "stillhouse runs list",
		"runs list nowhere":             "nowhere is no folder",
		"score tiny --method magic":     `there is no method "magic"`,
		"score tiny":                    "the recipe trains its teacher",
		"eval":                          "requires at least 1 arg(s)",
		"generate embedded:teacher":     "--prompt is missing",
		"generate embedded:teacher --prompt x --max-tokens 0":           "--max-tokens is 0",
		"generate embedded:teacher --prompt x --top-p 2":                "--top-p is 2",
		"generate embedded:teacher --prompt x --greedy --temperature 1": "exclude each other",
		"recipes copy quikstart x.yaml":                                 "no embedded recipe quikstart",
		"recipes show quikstart":                                        "did you mean quickstart?",
	} {
		code, out, errs := cli(strings.Fields(line)...)
		if code != exitUsage || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q; want 2, nothing and %q", line, code, out, errs, want)
		}
	}
}

func TestHelpThatWasAskedForIsAResult(t *testing.T) {
	for line, want := range map[string]string{
		"":                   "stillhouse [command]",
		"--help":             "One step at a time:",
		"run -h":             "saves the state first",
		"help exit-codes":    "10   a stage's gate was not met",
		"help recipes check": "by line and column",
		"version":            "stillhouse ",
		"--version":          "stillhouse ",
		"completion bash":    "__start_stillhouse",
	} {
		code, out, errs := cli(strings.Fields(line)...)
		if code != exitOK || errs != "" || !strings.Contains(out, want) {
			t.Errorf("%q: exit %d, stderr %q, stdout without %q:\n%s", line, code, errs, want, out)
		}
	}
}

func TestEveryExitCodeIsInTheHelp(t *testing.T) {
	for _, c := range []string{"0 ", "1 ", "2 ", "3 ", "10 ", "11 ", "12 ", "13 ", "70 ", "130 ", "143 "} {
		if !strings.Contains("\n"+exitCodesHelp, "\n"+c) {
			t.Errorf("the help does not explain exit code %s", c)
		}
	}
}

func TestErrorsMapToTheirExitCodes(t *testing.T) {
	for _, c := range []struct {
		err  error
		want int
	}{
		{errors.New("anything"), exitFailed},
		{usageError("wrong"), exitUsage},
		{recipes.Problems{{Message: "wrong"}}, exitUsage},
		{distill.ErrChanged, exitUsage},
		{distill.ErrGate, exitGate},
		{checkpoints.ErrDamaged, exitVerify},
		{distill.ErrLimit, exitLimit},
		{&checkpoints.LockedError{}, exitLocked},
	} {
		if got := codeOf(errors.Join(errors.New("while"), c.err)); got != c.want {
			t.Errorf("%v: exit code %d, want %d", c.err, got, c.want)
		}
	}
}

func TestErrorsUnderJSONAreOneObject(t *testing.T) {
	dir := inFolder(t)
	bad := write(t, filepath.Join(dir, "bad.yaml"), "version: 1\nextends: tiny\nphasez: 3\ntrain: {lr: 3}\n")
	for _, args := range [][]string{{"run", bad, "--json"}, {"run", "--json", "tiny", "--bogus"}, {"recipes", "--json"}, {"rnu", "--json"}} {
		code, out, errs := cli(args...)
		var got struct{ Error errorObject }
		if err := json.Unmarshal([]byte(errs[strings.IndexByte(errs, '{'):]), &got); err != nil {
			t.Errorf("%v: %v in %q", args, err, errs)
		}
		if code != exitUsage || out != "" || got.Error.Code != exitUsage || got.Error.Message == "" {
			t.Errorf("%v: exit %d, stdout %q, %+v", args, code, out, got.Error)
		}
	}
	_, _, errs := cli("run", bad, "--json")
	var got struct{ Error errorObject }
	if err := json.Unmarshal([]byte(errs), &got); err != nil {
		t.Fatal(err)
	}
	if e := got.Error; e.File != bad || e.Line != 3 || e.Hint != "did you mean phases?" || len(e.Problems) != 2 {
		t.Errorf("got %+v, want the first of two problems at line 3", e)
	}
}

func TestHintsAreTakenOutOfMessages(t *testing.T) {
	for in, want := range map[string][2]string{
		"no room (hint: free some)":          {"no room", "free some"},
		"a: b (hint: c (d)): the end":        {"a: b: the end", "c (d)"},
		"unknown command\nhint: did you try": {"unknown command", "did you try"},
		"plain":                              {"plain", ""},
	} {
		if m, h := splitHint(in); m != want[0] || h != want[1] {
			t.Errorf("%q: got %q and %q, want %q", in, m, h, want)
		}
	}
}

func TestAPanicExitsWithSeventy(t *testing.T) {
	for _, args := range [][]string{nil, {"--json"}} {
		var out, errs bytes.Buffer
		a := newApp(&out, &errs)
		a.args = args
		if code := a.crashed("index 7 is out of range"); code != exitInternal || out.Len() > 0 {
			t.Errorf("exit %d, stdout %q", code, out.String())
		}
		if s := errs.String(); !strings.Contains(s, "index 7 is out of range") || !strings.Contains(s, "please report it") {
			t.Errorf("stderr says %q", s)
		}
		if len(args) > 0 && !json.Valid(errs.Bytes()) {
			t.Errorf("not JSON: %s", errs.String())
		}
	}
}

func TestCompletionOffersValues(t *testing.T) {
	dir := inFolder(t)
	write(t, filepath.Join(dir, "runs", "mine", checkpoints.RecipeFile), "version: 1\n")
	for line, want := range map[string]string{
		"__complete run qui":              "quickstart\t",
		"__complete plan ti":              "tiny\t",
		"__complete recipes check ti":     "tiny\t",
		"__complete run x --progress pl":  "none",
		"__complete score x --method=g":   "gate",
		"__complete resume r":             filepath.Join("runs", "mine"),
		"__complete generate e":           "embedded:teacher",
		"__complete eval x --recipe tiny": "tiny\t",
	} {
		if code, out, _ := cli(strings.Fields(line)...); code != exitOK || !strings.Contains(out, want) {
			t.Errorf("%s: exit %d, %q; want %q", line, code, out, want)
		}
	}
}

func TestQuietAndVerboseAreCounted(t *testing.T) {
	var out, errs bytes.Buffer
	a := newApp(&out, &errs)
	c := a.command()
	c.SetArgs([]string{"version", "-q", "-vv"})
	if err := c.Execute(); err != nil || !a.quiet || a.verbose != 2 {
		t.Errorf("got %v, quiet %v, verbose %d", err, a.quiet, a.verbose)
	}
}
