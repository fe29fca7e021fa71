package recipes

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// checkObjectives looks at every objective that is written.
func (k *checker) checkObjectives() {
	k.checkObjective("objective", k.Objective)
	for i, p := range k.Phases {
		if p.Objective != nil {
			k.checkObjective(entryKey("phases", i)+".objective", p.Objective)
		}
	}
	for i, s := range k.Stages {
		if s.Objective != nil {
			k.checkObjective(entryKey("stages", i)+".objective", s.Objective)
		}
		for j, p := range s.Phases {
			if p.Objective != nil {
				k.checkObjective(entryKey(entryKey("stages", i)+".phases", j)+".objective", p.Objective)
			}
		}
	}
}

func (k *checker) checkObjective(at string, terms []Term) {
	if len(terms) == 0 {
		k.problem("objective: [{type: reverse_kl}]", at+" has no term", at)
	}
	for i, t := range terms {
		key := entryKey(at, i)
		for j := range i {
			u := terms[j]
			if t.Type == u.Type && t.Type != "" && (t.onLogits() && t.Temperature == u.Temperature || !t.onLogits() && t.Kind == u.Kind && overlap(t.Layers, u.Layers)) {
				k.problem("one term with the sum of the weights", t.Type+" is in the objective twice", key)
				break
			}
		}
		k.checkLayers(key+".layers", t.Layers)
		if t.Type != "mixer" {
			continue
		}
		for j, l := range t.Layers {
			for _, kept := range k.Student.KeepAttention {
				if l == kept {
					k.problem("take it out of one of the two", layer(l)+" is kept as attention: it has no new mixer to compare", entryKey(key+".layers", j), "student.keep_attention")
				}
			}
		}
	}
}

// overlap reports whether two lists of layers share one; no list means all.
func overlap(a, b []int) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	for _, x := range a {
		for _, y := range b {
			if x == y {
				return true
			}
		}
	}
	return false
}

func (k *checker) checkPhases() {
	k.checkOverridable()
	if len(k.Phases) == 0 && k.Plan.given() {
		n, ok := k.Plan.StageCount()
		all := ok && len(k.Stages) >= n
		for _, s := range k.Stages {
			all = all && len(s.Phases) > 0
		}
		if !all {
			k.problem("phases: [{name: mixers, trainable: new_mixers, max_tokens: 200k}]", "no phases: nothing would be trained", "phases", "stages")
		}
	}
	k.checkPhaseList("phases", k.Phases, k.Objective)
}

func (k *checker) checkPhaseList(at string, phases []Phase, objective []Term) {
	for i, p := range phases {
		key := entryKey(at, i)
		for j := range i {
			if phases[j].Name == p.Name {
				k.problem("give one of them another name", "two phases are called "+strconv.Quote(p.Name), key+".name")
				break
			}
		}
		k.checkOverrides(key, p.Overrides)
		k.checkTrainable(key, p.Trainable)
		terms := objective
		if len(p.Objective) > 0 {
			terms = p.Objective
		}
		k.checkReach(key, p.Trainable, terms)
		k.checkLength(key, ResolvedPhase{p.Name, p.Trainable, p.MaxTokens, p.MaxSteps, terms, p.Over(k.Train)})
	}
}

// pattern is a tensor name in which * is any text.
var pattern = regexp.MustCompile(`^[A-Za-z0-9_.*-]+$`)

func (k *checker) checkTrainable(at string, groups []Group) {
	if len(groups) == 0 {
		k.problem("new_mixers, mixers, all or a list of {pattern, lr_scale}", "nothing trains", at+".trainable")
		return
	}
	some := false
	for i, g := range groups {
		key := entryKey(at+".trainable", i)
		some = some || g.LRScale > 0
		words := []string{"new_mixers", "mixers", "all"}
		switch near := nearest(g.Pattern, words); {
		case !pattern.MatchString(g.Pattern):
			k.problem("new_mixers, mixers, all, or a tensor name with * for any text", strconv.Quote(g.Pattern)+" is no pattern", key+".pattern")
		case !strings.ContainsAny(g.Pattern, ".*") && near != g.Pattern:
			hint := "new_mixers, mixers, all, or a tensor name with * for any text, e.g. model.layers.*.mlp.*"
			if near != "" {
				hint = "did you mean " + near + "?"
			}
			k.problem(hint, "trainable does not know "+strconv.Quote(g.Pattern), key+".pattern")
		}
	}
	if !some {
		k.problem("lr_scale: 1", "every lr_scale is 0: nothing trains", at+".trainable")
	}
}

// checkReach refuses to train what the objective does not move.
func (k *checker) checkReach(at string, groups []Group, terms []Term) {
	for _, t := range terms {
		if t.Type != "mixer" {
			return
		}
	}
	if len(terms) == 0 {
		return
	}
	for i, g := range groups {
		if g.Pattern == "all" && g.LRScale > 0 {
			key := entryKey(at+".trainable", i)
			k.problem("trainable: mixers, or another term beside it", "the mixer term reaches the mixers only, all would train", key+".pattern", at+".objective", "objective")
		}
	}
}

// checkLength checks how long a phase is, and its warm-up against that.
func (k *checker) checkLength(at string, p ResolvedPhase) {
	switch {
	case p.MaxTokens == 0 && p.MaxSteps == 0:
		k.problem("max_tokens: 200k or max_steps: 100", "nothing says how long it trains", at, at+".max_tokens", at+".max_steps")
		return
	case p.Train.TokensPerStep() <= 0:
		return
	}
	keys := []string{at + ".max_tokens", at + ".per_device_train_batch_size", at + ".sequence_len", at + ".gradient_accumulation_steps", "train", "data.sequence_len"}
	if p.MaxSteps > 0 {
		keys[0] = at + ".max_steps"
	}
	steps := p.Steps()
	if steps == 0 {
		k.problem("more tokens, or a smaller batch", fmt.Sprintf("max_tokens %v is less than one step of %d × %d × %d = %d tokens",
			p.MaxTokens, p.Train.BatchSize, p.Train.Accumulation, p.Train.SequenceLen, p.Train.TokensPerStep()), keys...)
		return
	}
	if w := p.Train.WarmupSteps; w >= steps {
		keys[0], keys[1] = at+".warmup_steps", keys[0]
		if _, _, own := k.find(keys[0]); !own {
			keys[0] = "train.warmup_steps"
		}
		k.problem("fewer, or a longer phase", fmt.Sprintf("%d steps of warm-up, but the phase %shas %d", w, named(p.Name), steps), keys...)
	}
	if t := p.Train; t.Scheduler == "wsd" && t.WarmupSteps == 0 && t.WarmupRatio+t.DecayRatio > 1 {
		keys[0] = at + ".decay_ratio"
		if _, _, own := k.find(keys[0]); !own {
			keys[0] = "train.decay_ratio"
		}
		k.problem("shares of the steps, together at most 1", fmt.Sprintf("warmup_ratio %g and decay_ratio %g overlap", t.WarmupRatio, t.DecayRatio), keys...)
	}
}

func named(s string) string {
	if s == "" {
		return ""
	}
	return s + " "
}

func (k *checker) find(key string) (*node, Origin, bool) {
	if k.tree == nil {
		return nil, Origin{}, false
	}
	return k.tree.find(key)
}

// checkOverrides refuses what the phase's own schedule does not use.
func (k *checker) checkOverrides(at string, o Overrides) {
	scheduler := k.Train.Scheduler
	set(&scheduler, o.Scheduler)
	if o.DecayRatio != nil && scheduler != "wsd" {
		k.problem("lr_scheduler_type: wsd, or remove it", "decay_ratio is not used by lr_scheduler_type "+scheduler, at+".decay_ratio", at+".lr_scheduler_type", "train.lr_scheduler_type")
	}
	if o.MinLRRatio != nil && scheduler == "constant" {
		k.problem("lr_scheduler_type: cosine or wsd, or remove it", "min_lr_ratio is not used by lr_scheduler_type constant", at+".min_lr_ratio", at+".lr_scheduler_type", "train.lr_scheduler_type")
	}
}

// checkOverridable does the same for train: there a setting is used if any
// phase uses it.
func (k *checker) checkOverridable() {
	used := map[string]bool{k.Train.Scheduler: true}
	look := func(o Overrides) {
		if o.Scheduler != nil {
			used[*o.Scheduler] = true
		}
	}
	for _, p := range k.Phases {
		look(p.Overrides)
	}
	for _, s := range k.Stages {
		for _, p := range s.Phases {
			look(p.Overrides)
		}
	}
	for _, f := range k.Finish {
		look(f.Overrides)
	}
	if t := k.Teacher.Train; t != nil {
		look(t.Overrides)
	}
	// The default may stand there: resolved recipes show it.
	unused := func(name, hint, message string) {
		f := root().byName["train"].table.byName[name]
		if n, _, ok := k.find("train." + name); ok && n.kind == isScalar && n.value != defaultNode(f).value {
			k.problem(hint, message, "train."+name, "train.lr_scheduler_type", "phases")
		}
	}
	if !used["wsd"] {
		unused("decay_ratio", "lr_scheduler_type: wsd, or remove it", "decay_ratio is used by wsd only, and no phase has that schedule")
		if !used["cosine"] {
			unused("min_lr_ratio", "lr_scheduler_type: cosine or wsd, or remove it", "min_lr_ratio is not used by lr_scheduler_type constant")
		}
	}
}
