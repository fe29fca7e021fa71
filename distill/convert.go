package distill

import (
	"strings"

	"stillhouse/data"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// The functions below turn sections of a recipe into the values that the
// method works with. A recipe has been checked by the time it comes here.

func objective(terms []recipes.Term) (o layers.Objective) {
	for _, t := range terms {
		o = append(o, layers.Term{
			Type: layers.TermType(t.Type), Weight: t.Weight, Temperature: t.Temperature, Beta: t.Beta,
			Cosine: t.Kind == "cosine", Layers: t.Layers,
		})
	}
	return o
}

func planForm(p recipes.Plan) PlanForm {
	f := PlanForm{Counts: p.MambaLayers, Fractions: p.Fractions, GroupSize: p.GroupSize, Total: p.Total}
	if b := p.Budget; b != nil {
		f.GroupSize = b.GroupSize
		f.Budget = &Budget{Speedup: b.Speedup, Context: int(b.Context), Prefill: b.What == "prefill"}
	}
	return f
}

func mixerSpec(m recipes.Mixer) MixerSpec {
	return MixerSpec{
		Kind: layers.Kind(m.Type), Init: Init(m.Init), GroupedNorm: m.Norm == "grouped", Conv: m.Conv, Chunk: m.Chunk,
		Groups: m.Groups, Heads: m.Heads, HeadDim: m.HeadDim, State: m.State, Rank: m.DtRank, Ridge: m.Fit.Ridge,
	}
}

// phase resolves a recipe's phase; fresh and mamba are the layers that this
// stage replaced and all that are Mamba.
func phase(p recipes.ResolvedPhase, fresh, mamba []int) Phase {
	steps, t := p.Steps(), p.Train
	ph := Phase{
		Name: p.Name, Objective: objective(p.Objective),
		Schedule: Schedule{
			Type: t.Scheduler, Peak: t.LearningRate, Warmup: t.Warmup(steps), MinRatio: t.MinLRRatio, Decay: t.DecayRatio, Steps: steps,
		},
		B: t.BatchSize, T: t.SequenceLen, Accumulate: t.Accumulation, MaxNorm: t.MaxGradNorm, LogEvery: t.LoggingSteps, Recompute: t.CheckpointBlocks,
		AdamW: layers.AdamWConfig{Beta1: t.Beta1, Beta2: t.Beta2, Epsilon: t.Epsilon, WeightDecay: t.WeightDecay},
	}
	for _, g := range p.Trainable {
		ph.Trainable = append(ph.Trainable, Group{Match: matcher(g.Pattern, fresh, mamba), LRScale: g.LRScale})
	}
	return ph
}

// matcher returns whether a weight's name belongs to a group: new_mixers,
// mixers, all, or a pattern in which * is any text.
func matcher(pattern string, fresh, mamba []int) func(name string) bool {
	switch pattern {
	case "all":
		return func(string) bool { return true }
	case "new_mixers":
		return mixersOf(fresh)
	case "mixers":
		return mixersOf(mamba)
	}
	parts := strings.Split(pattern, "*")
	return func(name string) bool { return glob(parts, name) }
}

// mixersOf matches the mixers' weights of some layers: everything of a layer
// but its norms and its MLP.
func mixersOf(ls []int) func(name string) bool {
	var prefixes []string
	for _, l := range ls {
		for _, m := range []string{"mamba.", "mixer.", "self_attn."} {
			prefixes = append(prefixes, layers.LayerPrefix(l)+m)
		}
	}
	return func(name string) bool {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				return true
			}
		}
		return false
	}
}

// glob matches a name against the parts between a pattern's stars.
func glob(parts []string, name string) bool {
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok || len(parts) == 1 {
		return ok && rest == ""
	}
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, p)
		if i < 0 {
			return false
		}
		rest = rest[i+len(p):]
	}
	return strings.HasSuffix(rest, parts[len(parts)-1])
}

// dataConfig describes the training data at a sequence length.
func dataConfig(r *recipes.Recipe, sequenceLen int) data.Config {
	c := data.Config{
		SequenceLen: sequenceLen, Packing: r.Data.Packing, LossOn: data.LossOn(r.Data.LossOn),
		Seed: r.Seed, ValidationFraction: r.Data.Validation.Fraction, OnError: data.OnError(r.Data.OnError),
	}
	for _, s := range r.Data.Train {
		if s.Weight == 0 {
			continue
		}
		d := data.SourceConfig{Source: s.Source, Path: s.Path, Weight: s.Weight, Params: s.TaskParameters()}
		if s.Source == "file" {
			d.Source, d.Format = "", fileFormat(s)
		}
		c.Sources = append(c.Sources, d)
	}
	return c
}

// fileFormat is the data package's word for a file source's format; "" lets
// the file's name decide.
func fileFormat(s recipes.Source) string {
	if s.Format == data.FormatText {
		return ""
	}
	return s.Format
}
