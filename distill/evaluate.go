package distill

import (
	"fmt"
	"math"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Tokenizer turns text into token ids and back.
type Tokenizer interface {
	Encode(text string) []int32
	Decode(ids []int32) string
}

// Question is one task item ready to be asked: the model continues Prompt, and
// Grade says whether the continuation answers it.
type Question struct {
	Prompt     []int32
	Completion []int32 // the right continuation
	Answer     []bool  // which tokens of Completion are the answer itself
	Grade      func(continuation string) bool
}

// Examiner evaluates models, all on the same held-out data.
type Examiner struct {
	Pool      *layers.Pool
	Teacher   *layers.Model
	Tokenizer Tokenizer
	B, T      int
	Batches   int
	Fill      func(i int, b *layers.Batch) error // held-out batch i
	Tasks     map[string][]Question
	TaskNames []string // in the order to report
	Modes     []string
	Stop      []int32 // tokens that end a continuation
	Progress  func(what string, done, total int)
	Targets   *TargetCache // of the teacher, nil: it runs for every evaluation
}

// examined is how many sequences are examined at once.
func examined(batch int) int { return min(8, batch) }

// Evaluate measures a model against the teacher.
func (x *Examiner) Evaluate(name string, m *layers.Model) (Evaluation, error) {
	e := Evaluation{Name: name, Strip: m.Config.Strip()}
	for _, c := range m.Config.Mixers {
		if c.Kind.Mamba() {
			e.Mamba++
		}
	}
	if err := x.heldOut(&e, m); err != nil {
		return e, fmt.Errorf("evaluate %s: %w", name, err)
	}
	for i, task := range x.TaskNames {
		for _, mode := range x.Modes {
			r := TaskResult{Task: task, Mode: mode, Items: len(x.Tasks[task])}
			var err error
			if mode == "generate" {
				r.Correct, err = x.generated(m, x.Tasks[task])
			} else {
				r.Correct, err = x.likeliest(m, x.Tasks[task])
			}
			if err != nil {
				return e, fmt.Errorf("evaluate %s: task %s: %w", name, task, err)
			}
			e.Tasks = append(e.Tasks, r)
		}
		x.progress("tasks", i+1, len(x.TaskNames))
	}
	return e, nil
}

func (x *Examiner) progress(what string, done, total int) {
	if x.Progress != nil {
		x.Progress(what, done, total)
	}
}

// heldOut fills in the likelihoods and the distance to the teacher.
func (x *Examiner) heldOut(e *Evaluation, m *layers.Model) error {
	b := layers.NewBatch(x.B, x.T, m.Embed.Value.DType())
	c := layers.StepConfig{
		Student: m, Teacher: x.Teacher, Batch: b, Stats: true,
		Objective: layers.Objective{{Type: layers.ForwardKL, Weight: 1}},
	}
	var targets *targetSource
	if kept := x.Targets.forExams(); kept != nil {
		var err error
		if targets, err = kept.source(x.Pool, b, c.Objective); err != nil {
			return err
		}
		defer targets.Close()
		c.Targets = targets.Targets
	}
	step, err := layers.NewStep(x.Pool, c)
	if err != nil {
		return err
	}
	defer step.Close()
	agree := 0
	for i := range x.Batches {
		if err := x.Fill(i, b); err != nil {
			return err
		}
		if targets != nil {
			if err := targets.fill(nil); err != nil {
				return err
			}
		}
		if err := step.Run(); err != nil {
			return err
		}
		s, w := step.Statistics(), b.Weight.Clone()
		weights := tensor.New(tensor.F64, w.Size())
		weights.CopyFrom(w)
		for n, v := range tensor.Data[float64](weights) {
			if v == 0 {
				continue
			}
			e.Tokens++
			e.CrossEntropy += s.CE[n]
			e.KL += s.KL[n]
			e.ReverseKL += s.ReverseKL[n]
			if s.Agree[n] {
				agree++
			}
		}
		x.progress("held-out text", i+1, x.Batches)
	}
	if e.Tokens == 0 {
		return fmt.Errorf("no held-out token counts (hint: data.validation.batches)")
	}
	n := float64(e.Tokens)
	e.CrossEntropy /= n
	e.KL /= n
	e.ReverseKL /= n
	e.Agreement = float64(agree) / n
	e.Perplexity = math.Exp(e.CrossEntropy)
	return nil
}

// askTogether is how many questions are answered side by side.
const askTogether = 64

// generated lets the model answer greedily and grades the text.
func (x *Examiner) generated(m *layers.Model, qs []Question) (correct int, err error) {
	for lo := 0; lo < len(qs); lo += askTogether {
		part := qs[lo:min(lo+askTogether, len(qs))]
		prompts, limit := make([][]int32, len(part)), 0
		for i, q := range part {
			prompts[i] = q.Prompt
			limit = max(limit, len(q.Completion))
		}
		// A right answer is never longer than the right completion; a few
		// tokens more let a wrong one show that it does not stop.
		texts, err := layers.Continue(x.Pool, m, prompts, limit+4, x.Stop)
		if err != nil {
			return 0, err
		}
		for i, q := range part {
			if q.Grade(x.Tokenizer.Decode(texts[i])) {
				correct++
			}
		}
	}
	return correct, nil
}

// likeliest counts the items whose every answer token is the most likely one
// after the right tokens before it: what log-likelihood evaluations see, and
// why they hide what generation loses (arXiv:2603.26556).
func (x *Examiner) likeliest(m *layers.Model, qs []Question) (correct int, err error) {
	for lo := 0; lo < len(qs); lo += askTogether {
		part := qs[lo:min(lo+askTogether, len(qs))]
		t := 0
		for _, q := range part {
			t = max(t, len(q.Prompt)+len(q.Completion))
		}
		b := layers.NewBatch(len(part), t, m.Embed.Value.DType())
		ids := tensor.Data[int32](b.IDs)
		for i, q := range part {
			copy(ids[i*t:], q.Prompt)
			copy(ids[i*t+len(q.Prompt):], q.Completion)
		}
		best, err := layers.Argmax(x.Pool, m, b)
		if err != nil {
			return 0, err
		}
		for i, q := range part {
			right := true
			for j, id := range q.Completion {
				if q.Answer == nil || q.Answer[j] {
					right = right && best[i*t+len(q.Prompt)+j-1] == id
				}
			}
			if right {
				correct++
			}
		}
	}
	return correct, nil
}

// meanAccuracy is the share of all task items that a model answers right by
// generation.
func (x *Examiner) meanAccuracy(m *layers.Model) (float64, error) {
	items, correct := 0, 0
	for _, task := range x.TaskNames {
		n, err := x.generated(m, x.Tasks[task])
		if err != nil {
			return 0, err
		}
		items, correct = items+len(x.Tasks[task]), correct+n
	}
	if items == 0 {
		return 0, fmt.Errorf("no task to be accurate at (hint: eval.tasks: [recall, arithmetic])")
	}
	return float64(correct) / float64(items), nil
}
