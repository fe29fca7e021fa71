package experiments

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stillhouse/distill"
	"stillhouse/recipes"
)

// The tests run real cells, of a tenth of a second each: two layers of three
// replaced, chosen by lot, in a teacher that was trained for four steps. All
// share that teacher.

// teacherRecipe makes the teacher.
const teacherRecipe = `version: 1
extends: tiny
name: teacher
teacher: {train: {max_steps: 4}}
importance: null
plan: null
phases: []
finish: []
eval: {tasks: [], contexts: []}
`

// smallRecipe is an ablation of two arms and two seeds; %s is the teacher.
const smallRecipe = `version: 1
name: small
teacher: {path: %q}
data:
  train:
    - {source: "task:recall", min_pairs: 3, max_pairs: 6, queries: 2}
  validation: {batches: 1}
  sequence_len: 32
importance: {method: random}
plan: {mamba_layers: [1, 2], rescore: {method: random}}
student: {mixer: {init: mil, chunk: 16}, keep_attention: [0]}
train: {per_device_train_batch_size: 2}
phases:
  - {name: mixers, trainable: new_mixers, max_steps: 2}
eval: {tasks: [{name: recall, items: 2}], every: end}
ablations:
  seeds: [0, 1]
  arms:
    - name: staged
    - name: other
      set: [{key: student.mixer.init, value: random}]
`

var small string // smallRecipe with its teacher, set once by TestMain

func TestMain(m *testing.M) { os.Exit(withTeacher(m)) }

func withTeacher(m *testing.M) int {
	dir, err := os.MkdirTemp("", "experiments")
	if err == nil {
		defer os.RemoveAll(dir)
		err = makeTeacher(filepath.Join(dir, "run"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the teacher of the tests:", err)
		return 1
	}
	small = fmt.Sprintf(smallRecipe, filepath.Join(dir, "run", "teacher"))
	return m.Run()
}

func makeTeacher(dir string) error {
	r, err := recipes.Parse("teacher.yaml", []byte(teacherRecipe), []string{assign("output_dir", dir)}, nil)
	if err != nil {
		return err
	}
	_, err = distill.Run(context.Background(), r, distill.Options{})
	return err
}

// notes is a Progress that keeps what it is told.
type notes struct {
	distill.Quiet
	lines []string
	each  func(line string)
}

func (n *notes) Note(line string) {
	n.lines = append(n.lines, line)
	if n.each != nil {
		n.each(line)
	}
}

func (n *notes) has(text string) bool { return strings.Contains(strings.Join(n.lines, "\n"), text) }

// open writes a recipe into a folder of its own and opens it there.
func open(t *testing.T, text string, set ...string) *Ablation {
	t.Helper()
	return openIn(t, t.TempDir(), text, set...)
}

func openIn(t *testing.T, dir, text string, set ...string) *Ablation {
	t.Helper()
	file := filepath.Join(dir, "small.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := Open(file, append(set, assign("output_dir", filepath.Join(dir, "out"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
