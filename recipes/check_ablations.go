package recipes

import (
	"fmt"
	"math"
	"strings"
)

func (k *checker) checkAblations() {
	a := k.Ablations
	if a == nil {
		return
	}
	sound := len(k.found) == 0
	if len(a.Seeds) == 0 {
		k.problem("seeds: [0, 1, 2]", "no seeds", "ablations.seeds")
	}
	twice(k, "ablations.seeds", a.Seeds, func(s uint64) string { return fmt.Sprint("seed ", s) })
	if len(a.Arms) == 0 {
		k.problem("arms: [{name: random, set: [{key: student.mixer.init, value: random}]}]", "no arms", "ablations.arms")
		return
	}
	k.checkMetric("ablations.compare.metric", a.Compare.Metric)
	arms := map[string]*Arm{}
	for i := range a.Arms {
		arm := &a.Arms[i]
		key := entryKey("ablations.arms", i)
		if arms[arm.Name] != nil {
			k.problem("give one of them another name", "two arms are called "+arm.Name, key+".name")
		} else if !runName.MatchString(arm.Name) {
			k.problem("letters, digits, dot, dash and underscore", fmt.Sprintf("name %q cannot name a folder", arm.Name), key+".name")
		}
		arms[arm.Name] = arm
	}
	if b := a.Compare.Baseline; arms[b] == nil {
		k.problem("there are "+strings.Join(armNames(a.Arms), ", "), fmt.Sprintf("no arm %q to compare with", b), "ablations.compare.baseline", "ablations.arms")
	}
	var tokens int64
	for i, arm := range a.Arms {
		key := entryKey("ablations.arms", i)
		if l := arm.LayersOf; l != "" && (arms[l] == nil || arms[l].LayersOf != "" || l == arm.Name) {
			k.problem("an arm that chooses its own layers: "+strings.Join(armNames(a.Arms), ", "), fmt.Sprintf("layers_of cannot take those of %q", l), key+".layers_of", "ablations.arms")
		}
		if !sound {
			continue // an arm repeats what is wrong with the recipe
		}
		r := k.checkArm(key, arm)
		if r == nil {
			continue
		}
		n, ok := r.Tokens()
		switch {
		case !ok || !a.EqualTokens:
		case tokens == 0:
			tokens = n
		case math.Abs(float64(n-tokens)) > 0.01*float64(tokens): // whole steps do not come out even
			k.problem("change phases.N.max_tokens in set, or equal_tokens: false", fmt.Sprintf("arm %s trains on %d tokens, arm %s on %d", arm.Name, n, a.Arms[0].Name, tokens), key, "phases", "plan")
		}
	}
}

func armNames(arms []Arm) (names []string) {
	for _, a := range arms {
		names = append(names, a.Name)
	}
	return names
}

// checkArm builds the recipe of an arm: what is wrong with it is reported at
// the setting that caused it. It returns nil if it cannot be built.
func (k *checker) checkArm(key string, arm Arm) *Recipe {
	if k.tree == nil {
		return nil
	}
	l := loader{}
	tree := k.tree.clone()
	tree.drop("ablations")
	unfill(tree)
	stamp(tree, 1)
	l.layers = []*node{tree}
	r, err := l.finish(k.Name, arm.overrides()[1:], nil)
	if err == nil {
		return r
	}
	found, ok := err.(Problems)
	if !ok {
		k.problem("", fmt.Sprintf("arm %s: %v", arm.Name, err), key)
		return nil
	}
	for _, p := range found {
		where := key
		for i, s := range arm.Set {
			if p.Source != "" && strings.HasPrefix(p.Source, s.Key+"=") || p.Key != "" && strings.HasPrefix(p.Key, s.Key) {
				where = entryKey(key+".set", i)
			}
		}
		o := k.locate(where)
		q := at(o, where, p.Hint, "arm %s: %s", arm.Name, p.Message)
		k.found = append(k.found, q)
	}
	return nil
}

// unfill takes the defaults out of a tree again.
func unfill(n *node) {
	kept := n.entries[:0:0]
	for _, e := range n.entries {
		unfill(e.node)
		if e.node.from.Kind != FromDefault || e.node.layer() > 0 {
			kept = append(kept, e)
		}
	}
	n.entries = kept
	for _, v := range n.items {
		unfill(v)
	}
}

// Tokens returns how many tokens the students of all stages and finish steps
// train on; ok is false while the number of stages is not known.
func (r *Recipe) Tokens() (n int64, ok bool) {
	stages, ok := r.Plan.StageCount()
	if !ok {
		return 0, false
	}
	for s := 1; s <= stages; s++ {
		for _, p := range r.StagePhases(s) {
			n += p.Tokens()
		}
	}
	for _, f := range r.Finish {
		if f.Type == "sft" {
			n += r.SFT(f).Tokens()
		}
	}
	return n, true
}
