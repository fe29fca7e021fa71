package distill

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stillhouse/checkpoints"
	"stillhouse/recipes"
)

// The environment that makes the test binary a run of its own: of the recipe in
// this file, killing itself at the n-th thing it tells its Progress, or after a
// time.
const (
	childRecipe = "STILLHOUSE_TEST_RECIPE"
	childKill   = "STILLHOUSE_TEST_KILL"
)

// TestMain lets the test binary be a run that can be killed.
func TestMain(m *testing.M) {
	file := os.Getenv(childRecipe)
	if file == "" {
		os.Exit(m.Run())
	}
	r, err := recipes.Load(file, nil, nil)
	if err == nil {
		_, err = Run(context.Background(), r, Options{Progress: suicide(os.Getenv(childKill))})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// suicide ends the process by SIGKILL at a count of calls or after a time.
func suicide(when string) Progress {
	kill := func() {
		if p, err := os.FindProcess(os.Getpid()); err == nil {
			p.Kill()
			select {} // until it comes
		}
	}
	if after, err := time.ParseDuration(when); err == nil && strings.HasSuffix(when, "s") {
		time.AfterFunc(after, kill)
	}
	left, _ := strconv.Atoi(when)
	return &listener{hear: func(string, int) {
		if left--; left == 0 {
			kill()
		}
	}}
}

// child runs a recipe in a process of its own; extra is added to its environment.
func child(t *testing.T, r *recipes.Recipe, kill string, extra ...string) error {
	t.Helper()
	b, err := r.MarshalYAML()
	file := filepath.Join(t.TempDir(), "recipe.yaml")
	if err := errors.Join(err, os.WriteFile(file, b, 0o666)); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(os.Args[0])
	c.Env = append(append(os.Environ(), childRecipe+"="+file, childKill+"="+kill), extra...)
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// listener is a Progress that keeps the notes, and may act on what it hears.
type listener struct {
	notes []string
	what  string
	hear  func(what string, done int) // Begin is done 0; a Note is "note"
}

func (l *listener) Begin(what string, _ int) { l.what = what; l.told(what, 0) }
func (l *listener) Advance(done int, _ string) {
	l.told(l.what, done)
}
func (l *listener) End()             {}
func (l *listener) Note(line string) { l.notes = append(l.notes, line); l.told("note", 0) }

func (l *listener) told(what string, done int) {
	if l.hear != nil {
		l.hear(what, done)
	}
}

// says reports whether a note holds all of the words.
func (l *listener) says(words ...string) bool {
	return slices.ContainsFunc(l.notes, func(n string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(n, w) })
	})
}

// load returns the tiny recipe changed by key=value, running in dir.
func load(t *testing.T, dir string, set ...string) *recipes.Recipe {
	t.Helper()
	r, err := recipes.Load("tiny", append([]string{"output_dir=" + dir}, set...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tinyRecipe is load with a tokenizer that is made once for all tests, which
// saves each a second.
func tinyRecipe(t *testing.T, set ...string) *recipes.Recipe {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "tokenizer.json")
	if err := os.WriteFile(file, reference(t).tokenizer, 0o666); err != nil {
		t.Fatal(err)
	}
	return load(t, filepath.Join(dir, "run"), append([]string{
		"teacher.train.tokenizer.path=" + file, "teacher.train.geometry.vocab_size=300", // as the recipe's tokenizer may have
	}, set...)...)
}

// outcome is all of a run that must not depend on how it came about.
type outcome struct {
	digests   map[string]string // SHA-256 of files and of the weights of named checkpoints
	metrics   []byte
	tokenizer []byte
	result    *Result
}

// reference is the tiny recipe run once without a break, shared by the tests.
func reference(t *testing.T) *outcome {
	t.Helper()
	o, err := onceReference()
	if err != nil {
		t.Fatalf("the run that others are compared with: %v", err)
	}
	return o
}

var onceReference = sync.OnceValues(func() (*outcome, error) {
	dir, err := os.MkdirTemp("", "stillhouse")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r, err := recipes.Load("tiny", []string{"output_dir=" + filepath.Join(dir, "run")}, nil)
	if err != nil {
		return nil, err
	}
	res, err := Run(context.Background(), r, Options{})
	if err != nil {
		return nil, err
	}
	return collect(r.OutputDir, res)
})

// collect reads an outcome from a run folder.
func collect(dir string, res *Result) (*outcome, error) {
	o := &outcome{digests: map[string]string{}, result: res}
	var err error
	if o.metrics, err = os.ReadFile(filepath.Join(dir, checkpoints.MetricsFile)); err != nil {
		return nil, err
	}
	if o.tokenizer, err = os.ReadFile(filepath.Join(dir, teacherDir, "tokenizer.json")); err != nil {
		return nil, err
	}
	for _, pattern := range []string{"plan.json", "scores-*.json", "metrics.jsonl", "eval/*", "teacher/*", "model/*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			return nil, fmt.Errorf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			if o.digests[strings.TrimPrefix(f, dir+"/")], err = digest(f); err != nil {
				return nil, err
			}
		}
	}
	folder, err := checkpoints.ViewRun(dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	all, _, err := checkpoints.List(folder) // damaged ones may have been left by a test
	for _, c := range all {
		if c.State.Name == "" {
			continue
		}
		for _, f := range c.Manifest.Files {
			if f.Name == "weights.safetensors" && o.digests["checkpoint "+c.State.Name] == "" {
				o.digests["checkpoint "+c.State.Name] = f.SHA256
			}
		}
	}
	return o, err
}

func digest(file string) (string, error) {
	b, err := os.ReadFile(file)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), err
}

// mustEqual compares a finished run with the reference, bit for bit.
func mustEqual(t *testing.T, r *recipes.Recipe, res *Result) {
	t.Helper()
	got, err := collect(r.OutputDir, res)
	if err != nil {
		t.Fatal(err)
	}
	want := reference(t)
	names := slices.Collect(maps.Keys(want.digests))
	slices.Sort(names)
	for _, n := range names {
		if got.digests[n] != want.digests[n] {
			t.Errorf("%s has other bytes than without a break", n)
		}
	}
	for n := range got.digests {
		if want.digests[n] == "" {
			t.Errorf("%s is not there without a break", n)
		}
	}
	if d := firstDifference(string(got.metrics), string(want.metrics)); d != "" {
		t.Error(d)
	}
	if res != nil && (fmt.Sprint(res.Evaluations) != fmt.Sprint(want.result.Evaluations) || fmt.Sprint(res.Plan) != fmt.Sprint(want.result.Plan)) {
		t.Errorf("got the result %+v, want %+v", res.Evaluations, want.result.Evaluations)
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) {
			return fmt.Sprintf("metrics.jsonl has %d lines, want %d", len(g)-1, len(w)-1)
		}
		if g[i] != w[i] {
			return fmt.Sprintf("metrics.jsonl line %d: got %.200s want %.200s", i+1, g[i], w[i])
		}
	}
	return ""
}

// run runs a recipe to its end.
func runAll(t *testing.T, r *recipes.Recipe, o Options) *Result {
	t.Helper()
	res, err := Run(context.Background(), r, o)
	if err != nil {
		t.Fatal(err)
	}
	if !res.Complete {
		t.Fatal("the run is not complete")
	}
	return res
}

// runUntil runs a recipe and cancels it when stop says so.
func runUntil(t *testing.T, r *recipes.Recipe, stop func(what string, done int) bool) (*listener, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l := &listener{hear: func(what string, done int) {
		if stop(what, done) {
			cancel()
		}
	}}
	_, err := Run(ctx, r, Options{Progress: l})
	return l, err
}

// files returns the digests of all files under dir.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all[p], err = digest(p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
