package recipes

import (
	"reflect"
	"strconv"
	"strings"
)

// EffectKind says what a change makes of work already done.
type EffectKind string

// The effects, lightest first.
const (
	Harmless      EffectKind = "harmless"        // everything done stays valid
	RedoFinish    EffectKind = "redo_finish"     // the stages stay, what comes after them does not
	RedoFromStage EffectKind = "redo_from_stage" // stages before Effect.Stage stay; at 0 scores and plan go too
	RedoAll       EffectKind = "redo_all"        // nothing stays, a teacher trained here included
)

// Effect is what one change costs. Stage counts from 1 and belongs to
// RedoFromStage alone.
type Effect struct {
	Kind  EffectKind `json:"kind"`
	Stage int        `json:"stage"`
}

// String is for people.
func (e Effect) String() string {
	switch {
	case e.Kind == Harmless:
		return "harmless"
	case e.Kind == RedoFinish:
		return "redo the steps after the last stage"
	case e.Kind == RedoAll:
		return "redo all"
	case e.Stage == 0:
		return "redo from the scores on"
	}
	return "redo from stage " + strconv.Itoa(e.Stage)
}

// Worse reports whether e throws away more than f.
func (e Effect) Worse(f Effect) bool {
	rank := map[EffectKind]int{Harmless: 0, RedoFinish: 1, RedoFromStage: 2, RedoAll: 3}
	if e.Kind != f.Kind {
		return rank[e.Kind] > rank[f.Kind]
	}
	return e.Kind == RedoFromStage && e.Stage < f.Stage
}

// Change is one key whose value differs; an empty value is none.
type Change struct {
	Key    string `json:"key"`
	Old    string `json:"old"`
	New    string `json:"new"`
	Effect Effect `json:"effect"`
}

// Diff compares a run's recipe with a changed one, key by key, and says what
// each change does to the work that was done under the old one.
func Diff(old, changed *Recipe) []Change {
	a := encode(reflect.ValueOf(old).Elem(), root())
	b := encode(reflect.ValueOf(changed).Elem(), root())
	var changes []Change
	compare(a, b, "", func(key, was, is string) {
		changes = append(changes, Change{key, was, is, effect(key, old, changed)})
	})
	return changes
}

// compare reports the smallest parts that differ.
func compare(a, b *node, path string, report func(key, was, is string)) {
	was, is := "", ""
	if a != nil {
		was = a.inline()
	}
	if b != nil {
		is = b.inline()
	}
	if was == is {
		return
	}
	switch {
	case a == nil || b == nil || a.kind != b.kind || a.kind == isScalar || a.kind == isList && a.flat() && b.flat():
		report(path, was, is)
	case a.kind == isTable:
		for _, e := range a.entries {
			compare(e.node, b.get(e.key), join(path, e.key), report)
		}
		for _, e := range b.entries {
			if a.get(e.key) == nil {
				compare(nil, e.node, join(path, e.key), report)
			}
		}
	default:
		for i := range max(len(a.items), len(b.items)) {
			var x, y *node
			if i < len(a.items) {
				x = a.items[i]
			}
			if i < len(b.items) {
				y = b.items[i]
			}
			compare(x, y, entryKey(path, i), report)
		}
	}
}

// Keys, or beginnings of keys, that change nothing already computed.
var harmless = []string{
	"version", "extends", "name", "threads", "output_dir", "data.validation.batches", "train.logging_steps", "train.checkpoint_blocks", "teacher.geometry",
	"eval", "checkpoint", "limits", "tracking", "export", "ablations",
}

func under(key, section string) bool {
	return key == section || strings.HasPrefix(key, section+".")
}

func effect(key string, old, changed *Recipe) Effect {
	from := func(stage int) Effect { return Effect{RedoFromStage, stage} }
	for _, h := range harmless {
		if under(key, h) {
			if under(key, "eval.tasks") && (old.scoresTasks() || changed.scoresTasks()) {
				return from(0)
			}
			return Effect{Kind: Harmless}
		}
	}
	if strings.HasSuffix(key, ".logging_steps") || strings.HasSuffix(key, ".checkpoint_blocks") {
		return Effect{Kind: Harmless}
	}
	if under(key, "teacher.cache") {
		return cacheEffect(old, changed)
	}
	parts := strings.Split(key, ".")
	switch parts[0] {
	case "importance":
		return from(0)
	case "student":
		if under(key, "student.mixer") && !old.Importance.swaps() && !changed.Importance.swaps() {
			return from(1) // such scores never saw the mixer
		}
		return from(0)
	case "plan":
		return planEffect(key, old, changed)
	case "objective":
		return from(firstStage(old, changed, func(r *Recipe, s int) bool { return usesObjective(r, s) }))
	case "phases":
		return from(firstStage(old, changed, func(r *Recipe, s int) bool { return s > len(r.Stages) || len(r.Stages[s-1].Phases) == 0 }))
	case "train":
		return trainEffect(parts[1], old, changed)
	case "stages":
		if len(parts) < 2 {
			return from(1)
		}
		i, _ := strconv.Atoi(parts[1])
		if len(parts) > 2 && parts[2] == "gate" {
			return Effect{Kind: Harmless}
		}
		return from(i + 1)
	case "finish":
		return Effect{Kind: RedoFinish}
	}
	return Effect{Kind: RedoAll} // seed, teacher, data
}

// cacheEffect finds what other targets of the teacher reach: whatever distils. The
// last hidden state is what the teacher itself would give.
func cacheEffect(old, changed *Recipe) Effect {
	switch {
	case old.Teacher.Cache.results() == changed.Teacher.Cache.results():
		return Effect{Kind: Harmless}
	case old.Importance.distils() || changed.Importance.distils():
		return Effect{RedoFromStage, 0}
	}
	return Effect{RedoFromStage, 1}
}

func (r *Recipe) scoresTasks() bool {
	uses := func(m Importance) bool { return m.Method == "loo" && m.Metric == "task_accuracy" }
	return uses(r.Importance) || r.Plan.Rescore != nil && uses(*r.Plan.Rescore)
}

// planEffect finds the first stage that is another one.
func planEffect(key string, old, changed *Recipe) Effect {
	a, b := old.Plan, changed.Plan
	switch {
	case under(key, "plan.rescore"):
		return Effect{RedoFromStage, 2} // the first stage has the first scores
	case key == "plan.mamba_layers" && len(a.MambaLayers) > 0 && len(b.MambaLayers) > 0:
		i := 0
		for i < len(a.MambaLayers) && i < len(b.MambaLayers) && a.MambaLayers[i] == b.MambaLayers[i] {
			i++
		}
		return Effect{RedoFromStage, i + 1}
	case key == "plan.fractions" && len(a.Fractions) > 0 && len(b.Fractions) > 0:
		i := 0
		for i < len(a.Fractions) && i < len(b.Fractions) && a.Fractions[i] == b.Fractions[i] {
			i++
		}
		return Effect{RedoFromStage, i + 1}
	}
	return Effect{RedoFromStage, 1}
}

// firstStage returns the first stage, in either recipe, that a change reaches.
// Stages without overrides come after those with.
func firstStage(old, changed *Recipe, reached func(r *Recipe, stage int) bool) int {
	last := max(len(old.Stages), len(changed.Stages)) + 1
	for s := 1; s < last; s++ {
		if reached(old, s) || reached(changed, s) {
			return s
		}
	}
	return last
}

// usesObjective reports whether a phase of the stage has no objective nearer
// than the recipe's.
func usesObjective(r *Recipe, s int) bool {
	if s > len(r.Stages) {
		return true
	}
	st := r.Stages[s-1]
	if len(st.Objective) > 0 {
		return false
	}
	phases := st.Phases
	if len(phases) == 0 {
		phases = r.Phases
	}
	for _, p := range phases {
		if len(p.Objective) == 0 {
			return true
		}
	}
	return false
}

// trainEffect finds what a default of training reaches: whatever does not
// override it. The short distillations of scoring use its batch and length.
func trainEffect(key string, old, changed *Recipe) Effect {
	index := root().byName["train"].table.byName[key].index
	own := func(o Overrides) bool {
		return !reflect.ValueOf(o).FieldByName(reflect.TypeFor[Train]().FieldByIndex(index).Name).IsNil()
	}
	for _, r := range []*Recipe{old, changed} {
		if t := r.Teacher.Train; t != nil && !own(t.Overrides) {
			return Effect{Kind: RedoAll}
		}
	}
	if old.Importance.distils() || changed.Importance.distils() {
		return Effect{RedoFromStage, 0}
	}
	stage := firstStage(old, changed, func(r *Recipe, s int) bool {
		for _, p := range r.stagePhases(s) {
			if !own(p.Overrides) {
				return true
			}
		}
		return false
	})
	for _, r := range []*Recipe{old, changed} {
		if r.Plan.Rescore != nil && r.Plan.Rescore.distils() {
			stage = min(stage, 2) // the first stage that is scored again
		}
	}
	return Effect{RedoFromStage, stage}
}
