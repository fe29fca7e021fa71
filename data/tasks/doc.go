// Package tasks holds small reasoning tasks with exact answers, made from a seed:
// what a teacher is trained on and a hybrid is measured by, the same on every
// machine and with every version of Go.
//
// There are three types here: a [Task] draws items; an [Item] is a prompt, the
// completion that must follow, and how to grade what a model wrote instead; a
// [Split] says whom an item is for.
//
//	task, err := tasks.New("recall", map[string]int{"max_pairs": 16})
//	for _, item := range tasks.Items(task, tasks.Validation, 0, 200) {
//		if item.Grade(generate(item.Prompt)) {
//			right++
//		}
//	}
//
// The tasks:
//
//	recall      a3K7f2x9:f2K      7                        attention's strength
//	arithmetic  12+15-8?          12+15=27;27-8=19#19      every step is needed
//
// A prompt ends where the model must begin and every completion ends with a line
// end. Letters and digits never stand beside their like, so that with a
// tokenizer that reads single digits each character is one token, whatever
// text it was trained on.
//
// Invariants: [At] depends on nothing but its arguments, so item i needs no item
// before it; the splits are disjoint by construction, for all seeds and
// parameters: a hash of what the item asks, freed from the order in which it asks
// it, says to which split it belongs, and a draw that belongs elsewhere is
// drawn again. Within a split items may repeat, as rarely as its space is large.
//
// A further task is one file and one line in [New].
package tasks
