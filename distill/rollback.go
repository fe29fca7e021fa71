package distill

import (
	"encoding/json"
	"fmt"

	"stillhouse/checkpoints"
)

// Steps whose loss or gradient is not finite are skipped, and never reach the
// weights. A row of them says that the weights were bad before: then the run
// goes back to a checkpoint and leaves those batches out. Where it goes back to
// must not depend on when it was interrupted, or its bits would: with
// checkpoint.every_steps it is a checkpoint of such a step, and no other. By
// checkpoint.every alone it is the newest, and the clock has its say.

// A row of steps that are not finite is answered by going back, and going back
// again and again by an error.
const (
	maxInARow    = 3
	maxRollbacks = 2 // a phase
)

// regular reports whether a run that nothing interrupts saves at this step of a
// phase.
func (x *run) regular(step int) bool {
	n := x.recipe.Checkpoint.EverySteps
	return n == 0 || step > 0 && step%n == 0
}

// rollBack returns a trainer to the newest regular checkpoint of its phase,
// keeping the list of batches not to train on again. Later checkpoints are
// removed: a resume would go on from them.
func (x *run) rollBack(t *Trainer) error {
	all, _, err := checkpoints.List(x.folder)
	if err != nil {
		return err
	}
	var to *checkpoints.Checkpoint
	for _, c := range all { // newest first
		step := x.at.lastSaved(c)
		if step < 0 || c.State.Name != "" {
			break
		}
		if x.regular(step) {
			to = c
			break
		}
	}
	if to == nil {
		return fmt.Errorf("no checkpoint of this phase to roll back to (hint: a smaller learning_rate, or checkpoint.every_steps)")
	}
	for _, c := range all {
		if c.Path == to.Path {
			break
		}
		if err := checkpoints.Remove(x.folder, c.Path); err != nil {
			return err
		}
	}
	x.last = to
	f, err := to.Weights()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := LoadWeights(x.student, f, nil); err != nil {
		return err
	}
	var own extra
	if err := json.Unmarshal(to.State.Extra, &own); err != nil {
		return fmt.Errorf("%s: state: %w", to.Path, err)
	}
	t.goBack(own.Position)
	x.at.GlobalStep, x.at.Tokens = to.State.GlobalStep, to.State.Tokens
	return x.restoreOptimizer(t)
}

// goBack puts the trainer where it stood, but for what it has learned to skip.
// Its weights and moments are for the caller to bring back.
func (t *Trainer) goBack(to Position) {
	to.Skip, to.InARow = t.Skip, 0
	t.Position = to
	t.opt.Steps = to.Updates
}
