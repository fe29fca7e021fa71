package distill

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"stillhouse/checkpoints"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// cursor is where a run stands. Stage 0 trains the teacher, stages 1 to S
// convert, and what follows are the finishing steps.
type cursor struct {
	Stage, Phase int
	Position           // in the phase
	GlobalStep   int64 // updates of the whole run
	Tokens       int64

	swapped bool // the stage's layers are replaced
	saved   bool // the stage's end is saved
}

// nextPhase leaves a phase: the optimizer starts fresh, the data goes on.
func (c *cursor) nextPhase() {
	c.Phase++
	c.Position = Position{Row: c.Row, Skip: c.Skip}
}

// nextStage leaves a stage.
func (c *cursor) nextStage() {
	c.Stage++
	c.Phase, c.swapped, c.saved = 0, false, false
}

// extra is the part of a checkpoint's state that only this package reads.
type extra struct {
	Model    layers.Config `json:"model"`
	Position Position      `json:"position"`
}

// save writes a checkpoint; a name keeps it. t is nil between phases.
func (x *run) save(name string, t *Trainer) error {
	var optimizer []safetensors.Named
	if t != nil {
		x.at.Position = t.Position
		for _, n := range t.Optimizer() {
			optimizer = append(optimizer, safetensors.Named{Name: n.Name, Tensor: n.Value})
		}
	}
	own, err := json.Marshal(extra{x.student.Config, x.at.Position})
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	began := time.Now()
	c, err := checkpoints.Save(x.folder, checkpoints.State{
		Name: name, Stage: x.at.Stage, Phase: x.at.Phase, Step: int64(x.at.Step), GlobalStep: x.at.GlobalStep,
		Tokens: x.at.Tokens, ISA: layers.ISA(), Skip: x.at.Skip, LossScale: 1, Extra: own,
	}, Named(x.student, ""), optimizer)
	if c == nil {
		return fmt.Errorf("stage %d: %w", x.at.Stage, err)
	}
	if err != nil {
		x.o.Progress.Note("warning: " + err.Error())
	}
	x.last, x.saved, x.at.saved = c, time.Now(), name != ""
	x.o.Log.Info("checkpoint", "path", c.Path, "seconds", time.Since(began).Seconds())
	return nil
}

// due reports whether a checkpoint is due before the next step.
func (x *run) due(t *Trainer) bool {
	c := x.recipe.Checkpoint
	if c.EverySteps > 0 && t.Step > 0 && t.Step%c.EverySteps == 0 && t.Step != x.at.lastSaved(x.last) {
		return true
	}
	return c.Every > 0 && time.Since(x.saved) >= time.Duration(c.Every)
}

// lastSaved returns the step of this phase that c holds, -1 if it is of another.
func (c *cursor) lastSaved(k *checkpoints.Checkpoint) int {
	if k == nil || k.State.Stage != c.Stage || k.State.Phase != c.Phase {
		return -1
	}
	return int(k.State.Step)
}

// restore takes the run to its newest whole checkpoint, or to its beginning.
func (x *run) restore() error {
	if x.at.Stage == 0 { // no teacher was trained
		x.at.Stage = 1
	}
	x.student = x.teacher.Model.Share()
	c, skipped, err := checkpoints.Latest(x.folder)
	for _, p := range skipped {
		x.o.Progress.Note(fmt.Sprintf("warning: skipped a damaged checkpoint: %v", p))
	}
	if err != nil {
		return err
	}
	if c == nil || c.State.Stage == 0 {
		if c == nil {
			return x.folder.Metrics.Truncate(0)
		}
		return nil // the teacher's own training; nothing of the conversion is saved yet
	}
	return x.restoreFrom(c)
}

func (x *run) restoreFrom(c *checkpoints.Checkpoint) error {
	if err := x.folder.Metrics.Truncate(c.State.MetricsBytes); err != nil {
		return err
	}
	student, pos, err := studentOf(c, x.teacher.Model)
	if err != nil {
		return err
	}
	if isa := layers.ISA(); c.State.ISA != isa {
		x.o.Progress.Note(fmt.Sprintf("warning: the checkpoint was made with %s kernels, this machine runs %s: results will differ in the last bits", c.State.ISA, isa))
	}
	x.student, x.last, x.saved = student, c, time.Now()
	x.at = cursor{Stage: c.State.Stage, Phase: c.State.Phase, Position: pos, GlobalStep: c.State.GlobalStep,
		Tokens: c.State.Tokens, swapped: true, saved: c.State.Name != ""}
	if err := x.replayResults(); err != nil {
		return err
	}
	x.o.Progress.Note(fmt.Sprintf("resumed at stage %d step %d (%s tokens so far)", c.State.Stage, c.State.Step, humanCount(c.State.Tokens)))
	x.o.Log.Info("resumed", "checkpoint", c.Path)
	return nil
}

// replayResults reads back the evaluations and scores that metrics.jsonl holds.
func (x *run) replayResults() error {
	events, err := readEvents(x.folder)
	if err != nil {
		return err
	}
	x.result.Evaluations, x.scores = nil, nil
	for _, e := range events {
		if e.Eval != nil {
			x.result.Evaluations = append(x.result.Evaluations, *e.Eval)
		}
		if e.Scores != nil {
			x.scores = append(x.scores, StageScores{e.Stage, *e.Scores})
		}
	}
	return nil
}

// studentOf builds a checkpoint's student. Weights that are bit for bit the
// teacher's share its memory again.
func studentOf(c *checkpoints.Checkpoint, teacher *layers.Model) (*layers.Model, Position, error) {
	var own extra
	if err := json.Unmarshal(c.State.Extra, &own); err != nil {
		return nil, own.Position, fmt.Errorf("%s: state: %w", c.Path, err)
	}
	m, err := layers.New(own.Model, tensor.F32)
	if err != nil {
		return nil, own.Position, fmt.Errorf("%s: state: %w", c.Path, err)
	}
	f, err := c.Weights()
	if err != nil {
		return nil, own.Position, err
	}
	defer f.Close()
	if err := LoadWeights(m, f, nil); err != nil {
		return nil, own.Position, fmt.Errorf("%s: %w", c.Path, err)
	}
	m.ShareEqual(teacher)
	return m, own.Position, nil
}

// restoreOptimizer puts a checkpoint's moments into a trainer that goes on in
// the middle of a phase.
func (x *run) restoreOptimizer(t *Trainer) error {
	if t.Step == 0 || x.last == nil || !x.last.HasOptimizer() {
		return nil
	}
	f, err := x.last.Optimizer()
	if err != nil {
		return err
	}
	defer f.Close()
	for _, n := range t.Optimizer() {
		if err := f.ReadInto(n.Name, n.Value); err != nil {
			return fmt.Errorf("restore the optimizer: %w", err)
		}
	}
	return nil
}

// rollBack returns a trainer to the last checkpoint of its phase, keeping the
// list of batches not to train on again.
func (x *run) rollBack(t *Trainer) error {
	if x.at.lastSaved(x.last) < 0 {
		return fmt.Errorf("no checkpoint of this phase to roll back to (hint: a smaller learning_rate, or checkpoint.every_steps)")
	}
	f, err := x.last.Weights()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := LoadWeights(x.student, f, nil); err != nil {
		return err
	}
	var own extra
	if err := json.Unmarshal(x.last.State.Extra, &own); err != nil {
		return err
	}
	skip := t.Skip
	t.Position = own.Position
	t.Skip = skip
	x.at.GlobalStep, x.at.Tokens = x.last.State.GlobalStep, x.last.State.Tokens
	x.o.Progress.Note(fmt.Sprintf("rolled back to step %d, skipping %d batches", t.Step, len(skip)))
	return x.restoreOptimizer(t)
}

// event appends a line to metrics.jsonl.
func (x *run) event(e Event) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	return x.folder.Metrics.Append(b)
}

// timingLine is one line of timing.jsonl: what depends on the clock.
type timingLine struct {
	What    string  `json:"what"` // train, evaluate, scores, session
	Name    string  `json:"name,omitempty"`
	Seconds float64 `json:"seconds"`
}

func (x *run) timing(what, name string, seconds float64) {
	b, err := json.Marshal(timingLine{what, name, seconds})
	if err == nil {
		err = x.folder.Timing.Append(b)
	}
	if err != nil {
		x.o.Log.Warn("timing", "err", err)
	}
}

func (x *run) noteTime() { x.timing("session", "", time.Since(x.began).Seconds()) }

// timeSpent sums the sessions of this run so far.
func (x *run) timeSpent() (total time.Duration, err error) {
	err = eachLine(x.folder.Path(checkpoints.TimingFile), func(line []byte) error {
		var t timingLine
		if json.Unmarshal(line, &t) == nil && t.What == "session" { // a torn last line is no reason to stop
			total += time.Duration(t.Seconds * float64(time.Second))
		}
		return nil
	})
	return total, err
}

// readEvents returns the events of metrics.jsonl.
func readEvents(folder *checkpoints.Run) (es []Event, err error) {
	n := 0
	err = eachLine(folder.Path(checkpoints.MetricsFile), func(line []byte) error {
		var e Event
		n++
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s:%d: %w", folder.Path(checkpoints.MetricsFile), n, err)
		}
		es = append(es, e)
		return nil
	})
	return es, err
}

// eachLine calls f for every line of a file, which may be missing.
func eachLine(file string, f func(line []byte) error) error {
	r, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer r.Close()
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		if err := f(s.Bytes()); err != nil {
			return err
		}
	}
	return s.Err()
}
