package tasks

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Task draws items.
type Task interface {
	// Name is the task's name in recipes.
	Name() string
	// Draw makes an item from r and from nothing else.
	Draw(r *rand.Rand) Item
}

// Names lists the built-in tasks, sorted.
func Names() []string { return []string{"arithmetic", "recall"} }

// New returns the task called name. Parameters that are not given have the
// task's defaults; see [Recall] and [Arithmetic] for what there is.
func New(name string, params map[string]int) (Task, error) {
	var t interface {
		Task
		fields() map[string]*int
		check() error
	}
	switch name {
	case "recall":
		t = &Recall{MinPairs: 2, MaxPairs: 12, Queries: 4}
	case "arithmetic":
		t = &Arithmetic{MinSteps: 2, MaxSteps: 4, MaxOperand: 20}
	default:
		return nil, fmt.Errorf("tasks: no task %q; hint: there are %s", name, strings.Join(Names(), ", "))
	}
	fields := t.fields()
	for _, key := range slices.Sorted(maps.Keys(params)) {
		f, ok := fields[key]
		if !ok {
			known := slices.Sorted(maps.Keys(fields))
			return nil, fmt.Errorf("tasks: %s: no parameter %q; hint: there are %s", name, key, strings.Join(known, ", "))
		}
		*f = params[key]
	}
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("tasks: %s: %w", name, err)
	}
	return t, nil
}

// Item is one question with its only right answer.
type Item struct {
	Prompt     string // what the model is given
	Completion string // what it must write, the line end included
	Answer     string // what is graded in it
	// Parts is Prompt and Completion again, cut where the loss begins or ceases
	// to count: a prompt may hold answers that are worth learning from.
	Parts []Part

	canonical string                   // equal for items that ask the same
	read      func(line string) string // finds the answer in a line
}

// Part is a piece of text that is either given or to be learnt.
type Part struct {
	Text    string
	Counted bool
}

// Grade reports whether the model, having generated this text after the prompt,
// gave the right answer. Only the first line counts.
func (it Item) Grade(generated string) bool {
	line, _, _ := strings.Cut(generated, "\n")
	return it.read(line) == it.Answer
}
