package recipes

import "strings"

// Data is the mixture trained on, what is held out of it, and how it is cut
// into sequences.
type Data struct {
	// Weighted mixture of sources.
	Train []Source `yaml:"train" mapstructure:"train" json:"train" default:"[]" short:"source"`
	// What is held out.
	Validation Validation `yaml:"validation" mapstructure:"validation" json:"validation"`
	// Tokens in a sequence; a phase may have its own.
	SequenceLen int `yaml:"sequence_len" mapstructure:"sequence_len" json:"sequence_len" default:"256" min:"2"`
	// Whether documents share a sequence; their boundaries stay closed either way.
	Packing bool `yaml:"packing" mapstructure:"packing" json:"packing" default:"true"`
	// Tokens that count in the loss: all, those of completions (of messages, the assistant's last), or those of all assistant messages.
	LossOn string `yaml:"loss_on" mapstructure:"loss_on" json:"loss_on" default:"all" enum:"all|completion|assistant"`
	// What a record does that cannot be read: fail ends the run before it begins, skip leaves it out and counts it.
	OnError string `yaml:"on_error" mapstructure:"on_error" json:"on_error" default:"fail" enum:"fail|skip"`
}

// Source is one part of the mixture.
type Source struct {
	// Name in logs and reports; the source or the path if not given.
	Name string `yaml:"name" mapstructure:"name" json:"name"`
	// Where texts come from: a file, Go source and texts under a root, or a task made from the seed.
	Source string `yaml:"source" mapstructure:"source" json:"source" default:"file" enum:"file|go|task:recall|task:arithmetic"`
	// File or folder of source file (.txt, .jsonl or .parquet, perhaps .zst), or hf://datasets/ORG/NAME[/FILE]; root of source go, whose default is what go env GOROOT says.
	Path string `yaml:"path,omitempty" mapstructure:"path,omitempty" json:"path,omitempty" when:"source=file|go"`
	// What a record holds: a text, a prompt with its completion, or a list of messages.
	Format string `yaml:"format,omitempty" mapstructure:"format,omitempty" json:"format,omitempty" default:"text" enum:"text|completion|messages" when:"source=file"`
	// Share of the mixture's tokens, relative to the sum of all weights.
	Weight float64 `yaml:"weight" mapstructure:"weight" json:"weight" default:"1" min:"0"`

	RecallTask     `yaml:",inline" mapstructure:",squash" json:",inline" when:"source=task:recall"`
	ArithmeticTask `yaml:",inline" mapstructure:",squash" json:",inline" when:"source=task:arithmetic"`
}

// RecallTask holds the parameters of associative recall.
type RecallTask struct {
	// Fewest pairs to remember.
	MinPairs int `yaml:"min_pairs,omitempty" mapstructure:"min_pairs,omitempty" json:"min_pairs,omitempty" default:"4" min:"2"`
	// Most pairs to remember.
	MaxPairs int `yaml:"max_pairs,omitempty" mapstructure:"max_pairs,omitempty" json:"max_pairs,omitempty" default:"12" min:"2" max:"52"`
	// Keys asked for in one item.
	Queries int `yaml:"queries,omitempty" mapstructure:"queries,omitempty" json:"queries,omitempty" default:"4" min:"1"`
}

// ArithmeticTask holds the parameters of chained arithmetic.
type ArithmeticTask struct {
	// Fewest steps in a chain.
	MinSteps int `yaml:"min_steps,omitempty" mapstructure:"min_steps,omitempty" json:"min_steps,omitempty" default:"2" min:"1"`
	// Most steps in a chain.
	MaxSteps int `yaml:"max_steps,omitempty" mapstructure:"max_steps,omitempty" json:"max_steps,omitempty" default:"4" min:"1" max:"20"`
	// Largest operand.
	MaxOperand int `yaml:"max_operand,omitempty" mapstructure:"max_operand,omitempty" json:"max_operand,omitempty" default:"20" min:"1" max:"99"`
}

// Validation says what is held out of training.
type Validation struct {
	// Share of the documents of each source.
	Fraction float64 `yaml:"fraction" mapstructure:"fraction" json:"fraction" default:"0.02" above:"0" below:"1"`
	// Held-out batches that losses are measured on.
	Batches int `yaml:"batches" mapstructure:"batches" json:"batches" default:"16" min:"1"`
}

// Task returns the name of the source's task; ok is false if it is none.
func (s Source) Task() (name string, ok bool) { return strings.CutPrefix(s.Source, "task:") }

// TaskParameters returns what the source's task is made with, by name; nil if
// the source is no task.
func (s Source) TaskParameters() map[string]int {
	name, ok := s.Task()
	if !ok {
		return nil
	}
	return taskParameters(name, s.RecallTask, s.ArithmeticTask)
}

func taskParameters(name string, r RecallTask, a ArithmeticTask) map[string]int {
	switch name {
	case "recall":
		return map[string]int{"min_pairs": r.MinPairs, "max_pairs": r.MaxPairs, "queries": r.Queries}
	case "arithmetic":
		return map[string]int{"min_steps": a.MinSteps, "max_steps": a.MaxSteps, "max_operand": a.MaxOperand}
	}
	return nil
}

// completes reports whether the source marks what is to be answered.
func (s Source) completes() bool {
	_, task := s.Task()
	return task || s.Source == "file" && s.Format != "text"
}
