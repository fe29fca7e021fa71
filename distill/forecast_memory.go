package distill

import (
	"fmt"
	"slices"
	"strings"

	"stillhouse/layers"
	"stillhouse/recipes"
)

// batchKey is where a recipe says how much a phase reads at once.
type batchKey struct {
	key      string // that sets the batch size
	batch, t int
	again    bool // train.checkpoint_blocks
}

// batchKeys lists the batch of every phase once.
func batchKeys(r *recipes.Recipe) (keys []batchKey) {
	add := func(path string, own *int, t recipes.Train) {
		k := batchKey{"train.per_device_train_batch_size", t.BatchSize, t.SequenceLen, t.CheckpointBlocks}
		if own != nil {
			k.key = path + ".per_device_train_batch_size"
		}
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	if p, ok := r.TeacherPhase(); ok {
		add("teacher.train", r.Teacher.Train.BatchSize, p.Train)
	}
	for i, p := range r.Phases {
		add(fmt.Sprintf("phases.%d", i), p.BatchSize, p.Over(r.Train))
	}
	for s, st := range r.Stages {
		for i, p := range st.Phases {
			add(fmt.Sprintf("stages.%d.phases.%d", s, i), p.BatchSize, p.Over(r.Train))
		}
	}
	for i, x := range r.Finish {
		if x.Type == "sft" {
			add(fmt.Sprintf("finish.%d", i), x.BatchSize, r.SFT(x).Train)
		}
	}
	return keys
}

// forecastMemory lays the need of a recipe against its limit and the machine's.
func forecastMemory(r *recipes.Recipe, c *layers.Config, weights int, ram int64) (m MemoryForecast) {
	m = MemoryForecast{Need: EstimateMemory(r, c, weights), Limit: int64(r.Limits.MaxMemory), RAM: ram, Fits: true}
	bound := m.Bound()
	if bound == 0 || m.Need <= bound {
		return m
	}
	m.Fits = false
	var changes []string
	again, after := int64(0), int64(0)
	for _, k := range batchKeys(r) {
		again = max(again, memoryOfStep(c, weights, k.batch*k.t, true))
	}
	if again <= bound {
		defer func() {
			m.Setting += fmt.Sprintf("; so does --set train.checkpoint_blocks=true, at about a quarter more time: %s of %s", HumanBytes(again), HumanBytes(bound))
		}()
	}
	for _, k := range batchKeys(r) {
		b := k.batch
		for b > 1 && memoryOfStep(c, weights, b*k.t, k.again) > bound {
			b--
		}
		need := memoryOfStep(c, weights, b*k.t, k.again)
		if need > bound {
			m.Setting = fmt.Sprintf("no batch size makes it fit: one sequence of %d tokens takes %s; a smaller data.sequence_len, a smaller teacher or more memory would", k.t, HumanBytes(need))
			if floor := memoryOfStep(c, weights, 0, k.again); floor > bound {
				m.Setting = fmt.Sprintf("the weights with their gradients and moments alone take %s: a smaller teacher or more memory is needed", HumanBytes(floor))
			}
			return m
		}
		after = max(after, need)
		if change := fmt.Sprintf("--set %s=%d", k.key, b); b < k.batch && !slices.Contains(changes, change) {
			changes = append(changes, change)
		}
	}
	m.Setting = fmt.Sprintf("%s fits: %s of %s", strings.Join(changes, " "), HumanBytes(after), HumanBytes(bound))
	return m
}

// Bound is the smaller of the recipe's limit and the machine's memory, 0 if
// neither is known.
func (m MemoryForecast) Bound() int64 {
	if m.Limit > 0 && (m.RAM == 0 || m.Limit < m.RAM) {
		return m.Limit
	}
	return m.RAM
}
