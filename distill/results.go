package distill

import (
	"fmt"
	"strings"

	"stillhouse/distill/importance"
	"stillhouse/layers"
)

// Evaluation is what one model is worth, on held-out text and tasks.
type Evaluation struct {
	Name         string       `json:"name"` // teacher, stage-1, …, sft, merge
	Strip        string       `json:"layers"`
	Mamba        int          `json:"mamba_layers"`
	Tokens       int64        `json:"tokens"` // held-out tokens counted
	CrossEntropy float64      `json:"cross_entropy"`
	Perplexity   float64      `json:"perplexity"`
	KL           float64      `json:"kl"`         // KL(teacher‖student), nats a token
	ReverseKL    float64      `json:"reverse_kl"` // KL(student‖teacher)
	Agreement    float64      `json:"top1_agreement"`
	Tasks        []TaskResult `json:"tasks"`
}

// TaskResult is the score of one task in one mode.
type TaskResult struct {
	Task    string `json:"task"`
	Mode    string `json:"mode"` // generate, or loglikelihood: each answer token given the right ones before it
	Items   int    `json:"items"`
	Correct int    `json:"correct"`
}

// Accuracy returns the share of items that are right.
func (t TaskResult) Accuracy() float64 { return float64(t.Correct) / float64(max(1, t.Items)) }

// Task returns the result of a task in a mode; ok is false if there is none.
func (e Evaluation) Task(task, mode string) (TaskResult, bool) {
	for _, t := range e.Tasks {
		if t.Task == task && t.Mode == mode {
			return t, true
		}
	}
	return TaskResult{}, false
}

// Speed is one measurement of generation at a context length. It depends on the
// machine and is kept apart from what must be reproducible.
type Speed struct {
	Name       string  `json:"name"`
	Context    int     `json:"context"`
	Prefill    float64 `json:"prefill_tokens_per_s"`
	Decode     float64 `json:"decode_tokens_per_s"`
	StateBytes int     `json:"state_bytes"` // of one sequence: cache and recurrent state
}

// Event is one line of metrics.jsonl. Exactly one of the pointers is set.
type Event struct {
	Type   string             `json:"type"` // step, skip, rollback, scores, swap, eval, gate, merge
	Stage  int                `json:"stage"`
	Phase  string             `json:"phase,omitempty"`
	Step   int                `json:"step,omitempty"`
	Tokens int64              `json:"tokens,omitempty"` // trained on, the whole run
	Train  *Metrics           `json:"train,omitempty"`
	Scores *importance.Scores `json:"scores,omitempty"`
	Swap   *SwapEvent         `json:"swap,omitempty"`
	Eval   *Evaluation        `json:"eval,omitempty"`
	Note   string             `json:"note,omitempty"`
}

// SwapEvent is one attention layer gone.
type SwapEvent struct {
	Layer int         `json:"layer"`
	Mixer layers.Kind `json:"mixer"`
	Init  Init        `json:"init"`
	Fit   *layers.Fit `json:"fit,omitempty"`
	// LeftBehind is what of the attention the weight transfer has no place for.
	LeftBehind []string `json:"left_behind,omitempty"`
}

// Metric returns a number of the evaluation by the name that gates use.
func (e Evaluation) Metric(name string) (float64, bool) {
	switch name {
	case "val_kl":
		return e.KL, true
	case "val_reverse_kl":
		return e.ReverseKL, true
	case "val_cross_entropy":
		return e.CrossEntropy, true
	case "val_perplexity":
		return e.Perplexity, true
	case "val_top1_agreement":
		return e.Agreement, true
	}
	task, mode, _ := strings.Cut(name, ".")
	t, ok := e.Task(task, mode)
	return t.Accuracy(), ok
}

// line is the evaluation for people.
func (e Evaluation) line() string {
	s := fmt.Sprintf("%-10s %s  ppl %.3f  KL %.4f  agree %.1f %%", e.Name, e.Strip, e.Perplexity, e.KL, 100*e.Agreement)
	for _, t := range e.Tasks {
		if t.Mode == "generate" {
			s += fmt.Sprintf("  %s %.1f %%", t.Task, 100*t.Accuracy())
		}
	}
	return s
}
