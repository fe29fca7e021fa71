package tasks

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Arithmetic is a chain of additions and subtractions, worked out in writing
// before the answer:
//
//	prompt      12+15-8?
//	completion  12+15=27;27-8=19#19
//
// Every number stays between 0 and 99, so that a step is one addition of two
// digits with at most one carry, but the answer needs all steps in order: the
// trace is a small chain of thought. Only what follows # is graded.
//
// Measured as for [Recall]: every token of the completion right for 0.9 of the
// items after 5 M tokens of both tasks and for 0.99 after 7 M, wherever the loss is.
type Arithmetic struct {
	MinSteps, MaxSteps int // min_steps 2, max_steps 4: drawn uniformly, at most 20
	MaxOperand         int // max_operand 20: operands are 1 to this, at most 99
}

const largestNumber = 99

// Name returns "arithmetic".
func (t *Arithmetic) Name() string { return "arithmetic" }

func (t *Arithmetic) fields() map[string]*int {
	return map[string]*int{"min_steps": &t.MinSteps, "max_steps": &t.MaxSteps, "max_operand": &t.MaxOperand}
}

func (t *Arithmetic) check() error {
	if t.MinSteps < 1 || t.MaxSteps < t.MinSteps || t.MaxSteps > 20 || t.MaxOperand < 1 || t.MaxOperand > largestNumber {
		return fmt.Errorf("min_steps %d, max_steps %d, max_operand %d; hint: it needs 1 ≤ min_steps ≤ max_steps ≤ 20 and 1 ≤ max_operand ≤ %d",
			t.MinSteps, t.MaxSteps, t.MaxOperand, largestNumber)
	}
	return nil
}

// Draw makes one item.
func (t *Arithmetic) Draw(r *rand.Rand) Item {
	value := r.IntN(largestNumber + 1)
	steps := t.MinSteps + r.IntN(t.MaxSteps-t.MinSteps+1)
	question := strconv.Itoa(value)
	terms := make([]string, 0, steps+1)
	terms = append(terms, "+"+question)
	var trace strings.Builder
	for i := range steps {
		// Uniform over the operands, of either sign, that stay in range.
		up, down := min(t.MaxOperand, largestNumber-value), min(t.MaxOperand, value)
		var term string
		next := value
		if k := r.IntN(up + down); k < up {
			term, next = "+"+strconv.Itoa(k+1), value+k+1
		} else {
			term, next = "-"+strconv.Itoa(k-up+1), value-(k-up+1)
		}
		if i > 0 {
			trace.WriteByte(';')
		}
		fmt.Fprintf(&trace, "%d%s=%d", value, term, next)
		question += term
		terms = append(terms, term)
		value = next
	}
	answer := strconv.Itoa(value)
	// The same terms in another order are the same sum.
	slices.Sort(terms)
	question += "?"
	completion := trace.String() + "#" + answer + "\n"
	return Item{
		Prompt:     question,
		Completion: completion,
		Answer:     answer,
		Parts:      []Part{{question, false}, {completion, true}},
		canonical:  strings.Join(terms, ""),
		read:       afterMark,
	}
}

// afterMark returns what follows the first #: nothing if the trace never came to
// an end.
func afterMark(line string) string {
	_, answer, _ := strings.Cut(line, "#")
	return answer
}
