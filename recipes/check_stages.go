package recipes

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

func (k *checker) checkStages() {
	n, counted := k.Plan.StageCount()
	for i, s := range k.Stages {
		key := entryKey("stages", i)
		if counted && i >= n {
			k.problem("a stage more in plan, or an entry less here", fmt.Sprintf("overrides of stage %d, but the plan has %d", i+1, n), key, "plan")
			break
		}
		objective := k.Objective
		if len(s.Objective) > 0 {
			objective = s.Objective
		}
		if s.Phases != nil && len(s.Phases) == 0 {
			k.problem("remove it, or list phases", "phases of a stage are empty", key+".phases")
		}
		k.checkPhaseList(key+".phases", s.Phases, objective)
		if len(s.Objective) > 0 && len(s.Phases) == 0 {
			for j, p := range k.Phases {
				if len(p.Objective) == 0 {
					k.checkReachOf(key, j, p, s.Objective)
				}
			}
		}
		if s.Gate != nil {
			k.checkGate(key+".gate", s.Gate)
		}
	}
}

// checkReachOf checks a stage's objective against the recipe's phases, and
// reports it where the objective stands.
func (k *checker) checkReachOf(stage string, phase int, p Phase, terms []Term) {
	before := len(k.found)
	k.checkReach(entryKey("phases", phase), p.Trainable, terms)
	for i := before; i < len(k.found); i++ {
		o := k.locate(stage + ".objective")
		q := at(o, stage+".objective", k.found[i].Hint, "%s (phase %s)", k.found[i].Message, p.Name)
		k.found[i] = q
	}
}

func (k *checker) checkGate(at string, g *Gate) {
	if g.Max == nil && g.Min == nil {
		k.problem("max: 0.2 or min: 0.9", "a gate wants a bound", at, at+".max", at+".min")
	}
	known := k.checkMetric(at+".metric", g.Metric)
	if k.Eval.Every == "end" {
		k.problem("eval: {every: stage}", "a gate looks at the evaluation of its stage, and eval.every is end", at, "eval.every")
	}
	if !known {
		return
	}
	better := strings.HasSuffix(g.Metric, "agreement") || strings.Contains(g.Metric, ".")
	if better && g.Max != nil {
		k.problem("min: "+strconv.FormatFloat(*g.Max, 'g', -1, 64), "more of "+g.Metric+" is better: a max would refuse good students", at+".max", at+".metric")
	}
	if !better && g.Min != nil {
		k.problem("max: "+strconv.FormatFloat(*g.Min, 'g', -1, 64), "less of "+g.Metric+" is better: a min would refuse good students", at+".min", at+".metric")
	}
}

func (k *checker) checkFinish() {
	stages, counted := k.Plan.StageCount()
	earlier := map[string]bool{}
	for i, f := range k.Finish {
		key := entryKey("finish", i)
		if earlier[f.Name] || strings.HasPrefix(f.Name, "stage-") {
			k.problem("give it another name", "a step before this one is called "+strconv.Quote(f.Name), key+".name")
		}
		switch f.Type {
		case "sft":
			k.checkLength(key, k.SFT(f))
			k.checkTrainable(key, f.Trainable)
			k.checkOverrides(key, f.Overrides)
		case "merge":
			k.checkMerge(key, f, earlier, stages, counted)
		}
		earlier[f.Name] = true
	}
}

func (k *checker) checkMerge(at string, f Finish, earlier map[string]bool, stages int, counted bool) {
	if len(f.Checkpoints) < 2 {
		k.problem("checkpoints: [stage-2, stage-3]", "a merge wants two checkpoints or more", at, at+".checkpoints")
	}
	twice(k, at+".checkpoints", f.Checkpoints, strconv.Quote)
	for i, c := range f.Checkpoints {
		if earlier[c] {
			continue
		}
		n, err := strconv.Atoi(strings.TrimPrefix(c, "stage-"))
		hint := "stage-1 to stage-" + strconv.Itoa(stages) + ", or the name of a step before this one"
		if !counted {
			hint = "stage-1, stage-2, …, or the name of a step before this one"
		}
		if !strings.HasPrefix(c, "stage-") || err != nil || n < 1 || counted && n > stages {
			k.problem(hint, "there is no checkpoint "+strconv.Quote(c), entryKey(at+".checkpoints", i), "plan")
		}
	}
	if len(f.Weights) != len(f.Checkpoints) {
		k.problem("one weight a checkpoint", fmt.Sprintf("%d weights for %d checkpoints", len(f.Weights), len(f.Checkpoints)), at+".weights", at+".checkpoints")
		return
	}
	sum := 0.0
	for _, w := range f.Weights {
		sum += w
	}
	if len(f.Weights) > 0 && math.Abs(sum-1) > 1e-6 {
		k.problem("weights of an average sum to 1", fmt.Sprintf("the weights sum to %g", sum), at+".weights")
	}
}
