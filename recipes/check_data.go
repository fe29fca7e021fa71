package recipes

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The forms of names on the Hub; package hub reads them, and is stricter.
var (
	hubModel = regexp.MustCompile(`^hf://[^/@]+/[^/@]+(@[^/@]+)?$`)
	hubData  = regexp.MustCompile(`^hf://datasets/[^/@]+/[^/@]+(@[^/@]+)?(/.+)?$`)
)

func (k *checker) checkData() {
	if len(k.Data.Train) == 0 {
		k.problem("data: {train: [{source: go}]}", "no data to train on", "data.train")
		return
	}
	sum, completions := 0.0, false
	for i, s := range k.Data.Train {
		key := entryKey("data.train", i)
		sum += s.Weight
		completions = completions || s.completes()
		if s.Source == "file" && s.Path == "" {
			k.problem("path: texts.jsonl, or source: go, task:recall, task:arithmetic", "a source wants a path", key, key+".path", key+".source")
		}
		if strings.HasPrefix(s.Path, "hf://") && !hubData.MatchString(s.Path) {
			k.problem("hf://datasets/ORG/NAME/FILE, or without the file for all of its records", "path "+strconv.Quote(s.Path)+" names no data set", key+".path")
		}
		k.checkTask(key, s.RecallTask, s.ArithmeticTask)
	}
	if sum <= 0 {
		k.problem("give one of them a weight above 0", "all weights are 0", "data.train")
	}
	if k.Data.LossOn != "all" && !completions {
		k.problem("loss_on: all, or a source with completions", fmt.Sprintf("loss_on %s masks every token: no source has completions", k.Data.LossOn), "data.loss_on", "data.train")
	}
	for i, s := range k.Data.Train {
		for j := range i {
			if k.Data.Train[j].Name == s.Name && s.Name != "" {
				k.problem("give one of them another name", "two sources are called "+strconv.Quote(s.Name), entryKey("data.train", i))
				break
			}
		}
	}
}

// checkTask checks parameters against each other; those of another task are 0.
func (k *checker) checkTask(key string, r RecallTask, a ArithmeticTask) {
	if r.MinPairs > r.MaxPairs {
		k.problem("", fmt.Sprintf("min_pairs %d is more than max_pairs %d", r.MinPairs, r.MaxPairs), key+".min_pairs", key+".max_pairs")
	}
	if r.Queries > r.MinPairs {
		k.problem("at most min_pairs keys can be asked for", fmt.Sprintf("queries %d is more than min_pairs %d", r.Queries, r.MinPairs), key+".queries", key+".min_pairs")
	}
	if a.MinSteps > a.MaxSteps {
		k.problem("", fmt.Sprintf("min_steps %d is more than max_steps %d", a.MinSteps, a.MaxSteps), key+".min_steps", key+".max_steps")
	}
}

func (k *checker) checkEval() {
	e := k.Eval
	if len(e.Tasks) > 0 && len(e.Modes) == 0 {
		k.problem("modes: [loglikelihood, generate]", "tasks want a mode", "eval.modes", "eval.tasks")
	}
	twice(k, "eval.modes", e.Modes, strconv.Quote)
	twice(k, "tracking", k.Tracking, strconv.Quote)
	twice(k, "eval.contexts", e.Contexts, Count.String)
	seen := map[string]bool{}
	for i, t := range e.Tasks {
		key := entryKey("eval.tasks", i)
		if seen[t.Name] {
			k.problem("keep one of them", "task "+t.Name+" is listed twice", key)
		}
		seen[t.Name] = true
		k.checkTask(key, t.RecallTask, t.ArithmeticTask)
	}
	if e.Batches > k.Data.Validation.Batches {
		k.problem("raise data.validation.batches", fmt.Sprintf("eval.batches %d is more than the %d that are held out", e.Batches, k.Data.Validation.Batches), "eval.batches", "data.validation.batches")
	}
	if c := k.Checkpoint; c.Every == 0 && c.EverySteps == 0 && k.Limits.MaxTime > 0 {
		k.problem("every: 5m", "a limited run without checkpoints loses the stage it is in", "checkpoint", "checkpoint.every", "checkpoint.every_steps")
	}
}

// checkMetric checks the name of something that an evaluation measures.
func (k *checker) checkMetric(key, metric string) (known bool) {
	names := k.Eval.MetricNames()
	if slices.Contains(names, metric) {
		return true
	}
	hint := "there are " + strings.Join(names, ", ")
	if near := nearest(metric, names); near != "" {
		hint = "did you mean " + near + "? There are " + strings.Join(names, ", ")
	}
	keys := []string{key}
	if strings.Contains(metric, ".") {
		keys = append(keys, "eval.tasks", "eval.modes")
	}
	k.problem(hint, fmt.Sprintf("metric %q is not evaluated", metric), keys...)
	return false
}
