package distill

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"stillhouse/checkpoints"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// Write all pins of this machine again: go test ./distill -run TestTinyRun -update
var update = flag.Bool("update", false, "write testdata/tiny.json again")

const pinFile = "testdata/tiny.json"

// pin is what a run of the tiny recipe comes to on one instruction set. JSON
// keeps every bit of a float64.
type pin struct {
	Losses     []float64      `json:"losses"` // of every step, the teacher's first
	Evaluation []pinnedFigure `json:"evaluations"`
	Model      string         `json:"model_sha256"`
}

type pinnedFigure struct {
	Name         string  `json:"name"`
	CrossEntropy float64 `json:"cross_entropy"`
	KL           float64 `json:"kl"`
}

// instructionSets are the environments that force each set a processor has; the
// best needs none.
var instructionSets = map[string]string{
	"best":     "",
	"avx512":   "cpu.amxbf16=off",
	"avx2":     "cpu.avx512f=off",
	"portable": "cpu.avx512f=off,cpu.avx2=off",
}

// TestTinyRun pins a whole run bit for bit: a change that means to leave the
// numbers alone leaves them alone, and another one shows what it does.
func TestTinyRun(t *testing.T) {
	for _, name := range []string{"best", "avx512", "avx2", "portable"} {
		t.Run(name, func(t *testing.T) {
			if name != "best" && (testing.Short() || layers.ISA() == "portable") {
				t.Skip("seconds, and only where there is a better one")
			}
			r := load(t, filepath.Join(t.TempDir(), "run"))
			if err := child(t, r, "", "GODEBUG="+instructionSets[name]); err != nil {
				t.Fatal(err)
			}
			key, got := pinOf(t, r)
			if name != "best" && !strings.HasPrefix(key, name+"/") {
				t.Skipf("this build or processor runs %s whatever the environment says", key)
			}
			pins := readPins(t)
			if *update {
				pins[key] = got
				writePins(t, pins)
				return
			}
			want, ok := pins[key]
			if !ok {
				t.Skipf("%s has no figures for %s (hint: go test ./distill -run TestTinyRun -update)", pinFile, key)
			}
			comparePins(t, key, got, want)
		})
	}
}

func comparePins(t *testing.T, key string, got, want pin) {
	t.Helper()
	for i := range min(len(got.Losses), len(want.Losses)) {
		if got.Losses[i] != want.Losses[i] {
			t.Errorf("%s: the loss of step %d is %v, want %v", key, i+1, got.Losses[i], want.Losses[i])
			break // the others follow
		}
	}
	if len(got.Losses) != len(want.Losses) {
		t.Errorf("%s: %d steps, want %d", key, len(got.Losses), len(want.Losses))
	}
	if !slices.Equal(got.Evaluation, want.Evaluation) {
		t.Errorf("%s: the evaluations are %v, want %v", key, got.Evaluation, want.Evaluation)
	}
	if got.Model != want.Model {
		t.Errorf("%s: the final weights have other bytes", key)
	}
}

// pinOf reads a finished run's figures, and what they depend on: the kernels
// that its checkpoints name, and what the compiler may do with plain Go.
func pinOf(t *testing.T, r *recipes.Recipe) (key string, p pin) {
	t.Helper()
	folder, err := checkpoints.ViewRun(r.OutputDir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	c, err := checkpoints.Find(folder, "stage-1")
	events, err2 := readEvents(folder)
	sum, err3 := digest(filepath.Join(r.OutputDir, "model", "model.safetensors"))
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	p.Model = sum
	for _, e := range events {
		if e.Train != nil {
			p.Losses = append(p.Losses, e.Train.Loss)
		}
		if e.Eval != nil {
			p.Evaluation = append(p.Evaluation, pinnedFigure{e.Eval.Name, e.Eval.CrossEntropy, e.Eval.KL})
		}
	}
	key = c.State.ISA + "/" + runtime.GOARCH
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "GOAMD64" && s.Value != "v1" { // from v3 on it fuses multiply and add
				key += "." + s.Value
			}
		}
	}
	return key, p
}

func readPins(t *testing.T) map[string]pin {
	t.Helper()
	pins := map[string]pin{}
	b, err := os.ReadFile(pinFile)
	if errors.Is(err, fs.ErrNotExist) {
		return pins
	}
	if err == nil {
		err = json.Unmarshal(b, &pins)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pins
}

// writePins gives each number a line, so that a diff shows which have moved.
func writePins(t *testing.T, pins map[string]pin) {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	if err := errors.Join(e.Encode(pins), os.WriteFile(pinFile, b.Bytes(), 0o666)); err != nil {
		t.Fatal(err)
	}
}

// TestTheNumberOfThreadsChangesNoBit runs all of it on one thread and on three;
// the reference has as many as the machine.
func TestTheNumberOfThreadsChangesNoBit(t *testing.T) {
	for _, n := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := tinyRecipe(t, fmt.Sprintf("threads=%d", n))
			mustEqual(t, r, runAll(t, r, Options{}))
		})
	}
}

// TestThreadsMayChangeAtAResume stops a run on one thread and goes on with three.
func TestThreadsMayChangeAtAResume(t *testing.T) {
	r := tinyRecipe(t, "threads=1")
	if _, err := runUntil(t, r, func(what string, done int) bool { return what == "stage 1/2 · all" && done >= 3 }); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	more := *r
	more.Threads = 3
	l := &listener{}
	mustEqual(t, r, runAll(t, &more, Options{Progress: l}))
	if !l.says("threads: 1 → 3", "harmless") {
		t.Errorf("nothing was said of the change: %q", l.notes)
	}
}

// TestTheTinyRecipeNeedsNothingOfTheMachine: its figures could not be pinned if
// it read Go's own source, which differs between versions.
func TestTheTinyRecipeNeedsNothingOfTheMachine(t *testing.T) {
	r := load(t, t.TempDir())
	for _, s := range r.Data.Train {
		if _, ok := s.Task(); !ok {
			t.Errorf("source %s is no task", s.Source)
		}
	}
	if r.Teacher.Train == nil || layers.ISA() == "" {
		t.Error("its teacher comes from elsewhere, or the kernels have no name")
	}
}
