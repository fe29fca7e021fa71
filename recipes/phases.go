package recipes

import "fmt"

// Phase is one stretch of training within a stage. Settings not given are those
// of train, and the objective that of the stage.
type Phase struct {
	// Name in logs and checkpoints; phase-N if not given.
	Name string `yaml:"name" mapstructure:"name" json:"name"`
	// What trains: new_mixers (this stage's), mixers (all replaced so far), all, or a list of groups of which the first that matches counts.
	Trainable []Group `yaml:"trainable" mapstructure:"trainable" json:"trainable" short:"pattern" default:"all"`
	// Tokens to train on.
	MaxTokens Count `yaml:"max_tokens,omitempty" mapstructure:"max_tokens,omitempty" json:"max_tokens,omitempty" oneof:"length" min:"1"`
	// Optimizer steps to train for.
	MaxSteps int `yaml:"max_steps,omitempty" mapstructure:"max_steps,omitempty" json:"max_steps,omitempty" oneof:"length" min:"1"`
	// Objective of this phase alone.
	Objective []Term `yaml:"objective,omitempty" mapstructure:"objective,omitempty" json:"objective,omitempty" short:"type"`

	Overrides `yaml:",inline" mapstructure:",squash" json:",inline"`
}

// Group is a set of parameters and how fast it trains.
type Group struct {
	// new_mixers, mixers, all, or a pattern of tensor names in which * is any text.
	Pattern string `yaml:"pattern" mapstructure:"pattern" json:"pattern" required:"true"`
	// Factor on the learning rate; 0 freezes.
	LRScale float64 `yaml:"lr_scale" mapstructure:"lr_scale" json:"lr_scale" default:"1" min:"0"`
}

// Stage overrides one stage; what it does not give is the recipe's.
type Stage struct {
	// Phases of this stage alone.
	Phases []Phase `yaml:"phases,omitempty" mapstructure:"phases,omitempty" json:"phases,omitempty"`
	// Objective of this stage alone.
	Objective []Term `yaml:"objective,omitempty" mapstructure:"objective,omitempty" json:"objective,omitempty" short:"type"`
	// A bound that the stage's evaluation must keep.
	Gate *Gate `yaml:"gate,omitempty" mapstructure:"gate,omitempty" json:"gate,omitempty"`
}

// Gate is a bound on one number of the evaluation after a stage.
type Gate struct {
	// val_kl, val_reverse_kl, val_cross_entropy, val_perplexity, val_top1_agreement, or the accuracy of a task in a mode as TASK.MODE, e.g. recall.generate.
	Metric string `yaml:"metric" mapstructure:"metric" json:"metric" required:"true"`
	// Largest value that passes.
	Max *float64 `yaml:"max,omitempty" mapstructure:"max,omitempty" json:"max,omitempty" oneof:"bound"`
	// Smallest value that passes.
	Min *float64 `yaml:"min,omitempty" mapstructure:"min,omitempty" json:"min,omitempty" oneof:"bound"`
	// What a failed gate does: stop keeps the checkpoint and ends with exit code 10.
	OnFail string `yaml:"on_fail" mapstructure:"on_fail" json:"on_fail" default:"stop" enum:"stop|warn"`
}

// Passes reports whether a value keeps the bound; a NaN never does.
func (g Gate) Passes(v float64) bool {
	return v == v && (g.Max == nil || v <= *g.Max) && (g.Min == nil || v >= *g.Min)
}

// Finish is a step after the last stage: training on labels, or an average.
type Finish struct {
	// sft trains by cross entropy on the labels; merge averages the weights of checkpoints.
	Type string `yaml:"type" mapstructure:"type" json:"type" enum:"sft|merge" required:"true"`
	// Name of the result, for a later merge; the type if not given.
	Name string `yaml:"name" mapstructure:"name" json:"name"`
	// What sft trains, as in phases.
	Trainable []Group `yaml:"trainable,omitempty" mapstructure:"trainable,omitempty" json:"trainable,omitempty" short:"pattern" default:"all" when:"type=sft"`
	// Tokens to train on.
	MaxTokens Count `yaml:"max_tokens,omitempty" mapstructure:"max_tokens,omitempty" json:"max_tokens,omitempty" oneof:"length" min:"1" when:"type=sft"`
	// Optimizer steps to train for.
	MaxSteps int `yaml:"max_steps,omitempty" mapstructure:"max_steps,omitempty" json:"max_steps,omitempty" oneof:"length" min:"1" when:"type=sft"`
	// Checkpoints to average: stage-N or the name of an earlier step.
	Checkpoints []string `yaml:"checkpoints,omitempty" mapstructure:"checkpoints,omitempty" json:"checkpoints,omitempty" when:"type=merge"`
	// Weights of the average, summing to 1; equal if not given.
	Weights []float64 `yaml:"weights,omitempty" mapstructure:"weights,omitempty" json:"weights,omitempty" when:"type=merge"`

	Overrides `yaml:",inline" mapstructure:",squash" json:",inline" when:"type=sft"`
}

// ResolvedPhase is a phase with nothing left to look up.
type ResolvedPhase struct {
	Name      string  `json:"name"`
	Trainable []Group `json:"trainable"`
	MaxTokens Count   `json:"max_tokens,omitempty"`
	MaxSteps  int     `json:"max_steps,omitempty"`
	Objective []Term  `json:"objective"`
	Train     Train   `json:"train"`
}

// Steps returns the optimizer steps of the phase: those that max_tokens pays
// for, whole steps only.
func (p ResolvedPhase) Steps() int {
	if p.MaxSteps > 0 {
		return p.MaxSteps
	}
	return int(int64(p.MaxTokens) / p.Train.TokensPerStep())
}

// Tokens returns how many tokens the phase reads.
func (p ResolvedPhase) Tokens() int64 { return int64(p.Steps()) * p.Train.TokensPerStep() }

// StagePhases returns the phases of a stage, counted from 1. The objective is
// the phase's, else the stage's, else the recipe's.
func (r *Recipe) StagePhases(stage int) []ResolvedPhase {
	if stage < 1 {
		panic(fmt.Sprintf("recipes: StagePhases: stage is %d, want 1 or more", stage))
	}
	objective := r.Objective
	if stage <= len(r.Stages) && len(r.Stages[stage-1].Objective) > 0 {
		objective = r.Stages[stage-1].Objective
	}
	phases := r.stagePhases(stage)
	out := make([]ResolvedPhase, len(phases))
	for i, p := range phases {
		out[i] = ResolvedPhase{p.Name, p.Trainable, p.MaxTokens, p.MaxSteps, objective, p.Over(r.Train)}
		if len(p.Objective) > 0 {
			out[i].Objective = p.Objective
		}
	}
	return out
}

func (r *Recipe) stagePhases(stage int) []Phase {
	if stage <= len(r.Stages) && len(r.Stages[stage-1].Phases) > 0 {
		return r.Stages[stage-1].Phases
	}
	return r.Phases
}

// StageGate returns the gate of a stage, counted from 1; nil if it has none.
func (r *Recipe) StageGate(stage int) *Gate {
	if stage < 1 || stage > len(r.Stages) {
		return nil
	}
	return r.Stages[stage-1].Gate
}

// labels is the objective of training on labels alone.
func labels() []Term { return []Term{{Type: "cross_entropy", Weight: 1}} }

// SFT returns the training of a finish step of type sft.
func (r *Recipe) SFT(f Finish) ResolvedPhase {
	return ResolvedPhase{f.Name, f.Trainable, f.MaxTokens, f.MaxSteps, labels(), f.Over(r.Train)}
}

// TeacherPhase returns the training of a teacher from scratch; ok is false if
// the recipe has a finished one.
func (r *Recipe) TeacherPhase() (p ResolvedPhase, ok bool) {
	t := r.Teacher.Train
	if t == nil {
		return p, false
	}
	return ResolvedPhase{"teacher", []Group{{"all", 1}}, t.MaxTokens, t.MaxSteps, labels(), t.Over(r.Train)}, true
}
