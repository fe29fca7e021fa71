package distill

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
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

	rollbacks int  // in the phase
	swapped   bool // the stage's layers are replaced
	saved     bool // the stage's end is saved
}

// nextPhase leaves a phase: the optimizer starts fresh, the data goes on.
func (c *cursor) nextPhase() {
	c.Phase++
	c.rollbacks = 0
	c.Position = Position{Row: c.Row, Skip: c.Skip}
}

// nextStage leaves a stage.
func (c *cursor) nextStage() {
	c.Stage++
	c.Phase, c.swapped, c.saved = 0, false, false
}

// extra is the part of a checkpoint's state that only this package reads.
type extra struct {
	Model     layers.Config `json:"model"`
	Position  Position      `json:"position"`
	Rollbacks int           `json:"rollbacks"`
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
	own, err := json.Marshal(extra{x.student.Config, x.at.Position, x.at.rollbacks})
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	began, before := time.Now(), x.last
	x.folder.KeepLast = x.recipe.Checkpoint.KeepLast
	if name == "" && !x.regular(x.at.Step) {
		x.folder.KeepLast++ // it must not push out what rollBack goes to
	}
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
	if old := x.at.lastSaved(before); old >= 0 && before.State.Name == "" && !x.regular(old) {
		if err := checkpoints.Remove(x.folder, before.Path); err != nil {
			x.o.Progress.Note("warning: " + err.Error())
		}
	}
	x.noteTime()
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
	c, err := x.newest()
	if err != nil {
		return err
	}
	switch {
	case c == nil:
		return x.folder.Metrics.Truncate(0)
	case c.State.Stage == 0: // the teacher's end; nothing of the conversion is saved yet
		x.last, x.at.GlobalStep, x.at.Tokens = c, c.State.GlobalStep, c.State.Tokens
		return x.folder.Metrics.Truncate(c.State.MetricsBytes)
	}
	return x.restoreFrom(c)
}

// newest returns the newest whole checkpoint, nil if there is none at all, and
// says what was wrong with newer ones.
func (x *run) newest() (*checkpoints.Checkpoint, error) {
	c, skipped, err := checkpoints.Latest(x.folder)
	for _, p := range skipped {
		note := fmt.Sprintf("warning: skipped a damaged checkpoint: %v", p)
		if !slices.Contains(x.warned, note) {
			x.warned = append(x.warned, note)
			x.o.Progress.Note(note)
			x.o.Log.Warn("skipped a damaged checkpoint", "problem", p)
		}
	}
	return c, err
}

func (x *run) restoreFrom(c *checkpoints.Checkpoint) error {
	if err := x.folder.Metrics.Truncate(c.State.MetricsBytes); err != nil {
		return err
	}
	student, own, err := studentOf(c, x.teacher.Model)
	if err != nil {
		return err
	}
	if isa := layers.ISA(); c.State.ISA != isa {
		x.o.Progress.Note(fmt.Sprintf("warning: the checkpoint was made with %s kernels, this machine runs %s: results will differ in the last bits", c.State.ISA, isa))
	}
	x.student, x.last, x.saved = student, c, time.Now()
	x.at = cursor{Stage: c.State.Stage, Phase: c.State.Phase, Position: own.Position, GlobalStep: c.State.GlobalStep,
		Tokens: c.State.Tokens, rollbacks: own.Rollbacks, swapped: true, saved: c.State.Name != ""}
	if err := x.replayResults(); err != nil {
		return err
	}
	x.o.Progress.Note(fmt.Sprintf("resumed at stage %d step %d (%s tokens so far)", c.State.Stage, c.State.Step, HumanCount(c.State.Tokens)))
	x.o.Log.Info("resumed", "checkpoint", c.Path, "stage", x.at.Stage, "phase", x.at.Phase, "step", x.at.Step)
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
func studentOf(c *checkpoints.Checkpoint, teacher *layers.Model) (m *layers.Model, own extra, err error) {
	if err := json.Unmarshal(c.State.Extra, &own); err != nil {
		return nil, own, fmt.Errorf("%s: state: %w", c.Path, err)
	}
	m, err = layers.New(own.Model, tensor.F32)
	if err != nil {
		return nil, own, fmt.Errorf("%s: state: %w", c.Path, err)
	}
	f, err := c.Weights()
	if err != nil {
		return nil, own, err
	}
	defer f.Close()
	if err := LoadWeights(m, f, nil); err != nil {
		return nil, own, fmt.Errorf("%s: %w", c.Path, err)
	}
	m.ShareEqual(teacher)
	return m, own, nil
}

// restoreOptimizer puts a checkpoint's moments into a trainer that goes on in
// the middle of a phase.
func (x *run) restoreOptimizer(t *Trainer) error {
	if x.at.lastSaved(x.last) != t.Step || !x.last.HasOptimizer() {
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

// noteTime accounts for the session up to now: at every checkpoint, so that a
// kill loses no more of limits.max_time than of the training.
func (x *run) noteTime() {
	now := time.Now()
	x.timing("session", "", now.Sub(x.noted).Seconds())
	x.noted = now
}

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
