package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/checkpoints"
	"stillhouse/distill"
)

// short is the tiny recipe in a second.
var short = []string{
	"--set", "teacher.train.max_steps=6", "--set", "teacher.train.tokenizer.vocab_size=270", "--set", "finish=[]", "--set", "plan.mamba_layers=[2]",
	"--set", "plan.rescore=null", "--set", "eval.contexts=[]", "--set", "eval.tasks=[{name: recall, items: 2}]",
}

// object runs a command that must succeed and reads its one JSON object.
func object(t *testing.T, v any, args ...string) {
	t.Helper()
	code, out, errs := cli(append(args, "--json", "--progress", "none")...)
	if code != exitOK || errs != "" {
		t.Fatalf("%v: exit %d, %s", args, code, errs)
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%v: %v in %s", args, err, out)
	}
}

func TestARunFromBeginningToEnd(t *testing.T) {
	inFolder(t)
	const dir = "runs/tiny"
	code, out, errs := cli(append([]string{"run", "tiny", "--progress", "plain", "-v"}, short...)...)
	if code != exitOK || !strings.Contains(out, "report "+dir) || strings.Contains(out, "tok/s") {
		t.Fatalf("exit %d\n%s\n%s", code, out, errs)
	}
	for _, want := range []string{"stage 1/1 · mixers  8/8  loss ", "evaluate stage-1", "level=INFO msg=swapped"} {
		if strings.Count(errs, want) == 0 {
			t.Errorf("stderr does not say %q:\n%s", want, errs)
		}
	}
	if strings.Contains(errs, "stage 1/1 · mixers  8/8  stage 1/1") || strings.Contains(errs, "\r") {
		t.Errorf("titles twice, or carriage returns in a pipe:\n%s", errs)
	}

	t.Run("the log tells every decision", func(t *testing.T) {
		log, err := os.ReadFile(filepath.Join(dir, checkpoints.LogFile))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"session begins", "stage begins", "msg=scored", "msg=planned", "msg=swapped", "phase begins", "msg=checkpoint", "msg=evaluated", "stage ends", "msg=complete"} {
			if !strings.Contains(string(log), want) {
				t.Errorf("the log does not tell %q", want)
			}
		}
	})

	t.Run("typed again it reuses the result", func(t *testing.T) {
		code, out, errs := cli("resume", dir, "-q")
		if code != exitOK || errs != "" || !strings.Contains(out, "is complete already") {
			t.Errorf("exit %d, %q, %q", code, out, errs)
		}
		var res distill.Result
		object(t, &res, "resume", dir)
		if !res.Complete || len(res.Evaluations) != 2 {
			t.Errorf("got %+v", res)
		}
	})

	t.Run("a changed recipe is refused", func(t *testing.T) {
		code, _, errs := cli("resume", dir, "--set", "train.learning_rate=1", "-q")
		if code != exitUsage || !strings.Contains(errs, "train.learning_rate") || !strings.Contains(errs, "--force") {
			t.Errorf("exit %d, %q", code, errs)
		}
	})

	t.Run("plan takes over what the run decided", func(t *testing.T) {
		f := planOf(t, exitOK, append([]string{"plan", "tiny", "--no-time"}, short...)...)
		if s := f.Stages[0]; f.State != distill.RunComplete || len(s.Replace) != 2 || strings.Contains(s.Strip, "?") {
			t.Errorf("got %+v", f)
		}
	})

	t.Run("score", func(t *testing.T) {
		var res scored
		object(t, &res, append([]string{"score", "tiny", "--method", "gate,swap,uniform", "-o", "scores.json"}, short...)...)
		if len(res.Scores) != 3 || res.Scores[1].Method != "swap" || len(res.Scores[0].Order) != 3 || res.Scores[0].Tokens == 0 || res.Layers != "AAAA" {
			t.Errorf("got %+v", res)
		}
		var saved scored
		if b, err := os.ReadFile("scores.json"); err != nil || json.Unmarshal(b, &saved) != nil || len(saved.Scores) != 3 {
			t.Errorf("--out wrote %+v, %v", saved, err)
		}
		_, out, _ := cli(append([]string{"score", "tiny", "-q"}, short...)...)
		if !strings.Contains(out, "│ gate") || !strings.Contains(out, "in this order") {
			t.Errorf("the table is\n%s", out)
		}
	})

	t.Run("eval", func(t *testing.T) {
		found, err := filepath.Glob(dir + "/checkpoints/*")
		if err != nil || len(found) == 0 {
			t.Fatal(found, err)
		}
		var run distill.Result
		object(t, &run, "resume", dir)
		var res evaluated
		object(t, &res, "eval", dir, found[len(found)-1], dir+"/teacher")
		if len(res.Evaluations) != 4 || res.Evaluations[1].KL != run.Evaluations[1].KL || res.Evaluations[2].KL != run.Evaluations[1].KL || res.Evaluations[3].KL != 0 {
			t.Errorf("eval measures %+v, the run had %+v", res.Evaluations, run.Evaluations)
		}
		if code, _, errs := cli("eval", "embedded:teacher", "--recipe", "tiny", "--teacher", dir+"/teacher", "-q"); code != exitFailed || !strings.Contains(errs, "cannot be compared") {
			t.Errorf("other vocabularies: exit %d, %q", code, errs)
		}
	})

	t.Run("report", func(t *testing.T) {
		before, err := os.ReadFile(dir + "/report.html")
		if err != nil {
			t.Fatal(err)
		}
		code, out, _ := cli("report", dir)
		after, err := os.ReadFile(strings.TrimSpace(out))
		if code != exitOK || err != nil || !bytes.Equal(before, after) {
			t.Errorf("exit %d, %q, %v; the bytes are the same: %v", code, out, err, bytes.Equal(before, after))
		}
	})

	t.Run("runs list", func(t *testing.T) { listed(t, dir) })
}

// listed checks the states that runs list knows, beginning with a complete run.
func listed(t *testing.T, dir string) {
	state := func() distill.RunInfo {
		var res struct{ Runs []distill.RunInfo }
		object(t, &res, "runs", "list")
		if len(res.Runs) != 1 {
			t.Fatalf("got %+v", res)
		}
		return res.Runs[0]
	}
	if r := state(); r.State != distill.RunComplete || r.Last != "stage-1" || r.KL <= 0 || r.Dir != filepath.FromSlash(dir) {
		t.Errorf("got %+v", r)
	}
	if _, out, _ := cli("runs", "list"); !strings.Contains(out, dir) || !strings.Contains(out, "complete") {
		t.Errorf("the table is\n%s", out)
	}
	if err := os.Remove(dir + "/result.json"); err != nil {
		t.Fatal(err)
	}
	if r := state(); r.State != distill.RunInterrupted {
		t.Errorf("without its result: got %+v", r)
	}
	held, err := checkpoints.OpenRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	if r := state(); r.State != distill.RunRunning {
		t.Errorf("held by a process: got %+v", r)
	}
	for _, line := range []string{"resume " + dir, "report " + dir} {
		if code, _, errs := cli(append(strings.Fields(line), "-q")...); code != exitLocked || !strings.Contains(errs, "in use") {
			t.Errorf("%s: exit %d, %q; want %d", line, code, errs, exitLocked)
		}
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := cli("runs", "list", t.TempDir()); code != exitOK || out != "" {
		t.Errorf("an empty folder: exit %d, stdout %q", code, out)
	}
}

func TestAnInterruptedRunSavesAndSaysHowToGoOn(t *testing.T) {
	inFolder(t)
	var o, e bytes.Buffer
	a := newApp(&o, &e)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ctx = withArgs(ctx, a, append([]string{"run", "tiny", "--progress", "plain"}, short...))
	s := &signalState{}
	s.got.Store(15)
	if code := a.finish(a.command().ExecuteContext(ctx), s); code != 143 || o.Len() > 0 {
		t.Errorf("exit %d, stdout %q", code, o.String())
	}
	if !strings.Contains(e.String(), "stillhouse resume runs/tiny") || !strings.Contains(e.String(), "the state is saved") {
		t.Errorf("stderr says\n%s", e.String())
	}
}

func TestGenerateWritesTheTextAloneToStdout(t *testing.T) {
	args := []string{"generate", "embedded:teacher", "--prompt", "package main\n\nfunc main() {", "--max-tokens", "24"}
	code, greedy, errs := cli(append(args, "--greedy")...)
	if code != exitOK || greedy == "" || !strings.Contains(errs, "written at") {
		t.Fatalf("exit %d, %q, %q", code, greedy, errs)
	}
	var g distill.Generation
	object(t, &g, append(args, "--greedy")...)
	if g.Text != greedy || g.Tokens == 0 || g.Tokens > 24 || g.StateBytes == 0 {
		t.Errorf("JSON says %+v, the text was %q", g, greedy)
	}
	_, k1, _ := cli(append(args, "--top-k", "1", "-q")...)
	if k1 != greedy {
		t.Errorf("--top-k 1 gives %q, --greedy %q", k1, greedy)
	}
	sample := append(args, "--temperature", "1.2", "--top-p", "0.95", "-q")
	_, one, quiet := cli(sample...)
	_, two, _ := cli(sample...)
	_, other, _ := cli(append(sample, "--seed", "7")...)
	if one != two || one == other || quiet != "" {
		t.Errorf("a seed gives %q and %q, another %q; stderr %q", one, two, other, quiet)
	}
}
