package distill

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"stillhouse/data/tokenizer"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// counter is a model that knows one thing: the token after i is i+1. Its mixers
// and MLPs add nothing, its embedding is one-hot and its head the shift.
func counter(t *testing.T) *layers.Model {
	m := small(t, "a", tensor.F32, func(c *layers.Config) { c.Tied, c.HiddenSize = false, smallVocab })
	for _, n := range m.Named() {
		switch {
		case strings.HasSuffix(n.Name, "o_proj.weight"), strings.HasSuffix(n.Name, "down_proj.weight"):
			n.Value.Zero()
		case n.Name == "model.embed_tokens.weight", n.Name == "lm_head.weight":
			n.Value.Zero()
			for i := range smallVocab {
				from := i
				if n.Name == "lm_head.weight" {
					from = (i + smallVocab - 1) % smallVocab
				}
				tensor.Data[float32](n.Value)[i*smallVocab+from] = 1
			}
		}
	}
	return m
}

// digits writes ids as numbers.
type digits struct{}

func (digits) Encode(string) []int32     { panic("nothing is encoded here") }
func (digits) Decode(ids []int32) string { return fmt.Sprint(ids) }

func graded(prompt, completion []int32, right string) Question {
	return Question{Prompt: prompt, Completion: completion, Grade: func(s string) bool { return s == right }}
}

// TestGenerationIsGradedByWhatTheModelSays on a teacher whose answers are known.
// Log-likelihood sees the answer's tokens alone, each after the right ones.
func TestGenerationIsGradedByWhatTheModelSays(t *testing.T) {
	m := counter(t)
	marked := graded([]int32{3}, []int32{9, 5, 6}, "[4 5]") // only 5 → 6 is its answer
	marked.Answer = []bool{false, false, true}
	x := &Examiner{
		Teacher: m, Tokenizer: digits{}, B: 1, T: 8, Batches: 1, Stop: []int32{20, 12},
		Fill: func(i int, b *layers.Batch) error { return randomRows(nil)(int64(i), b) },
		Tasks: map[string][]Question{
			"count": {
				graded([]int32{1, 9}, []int32{10, 11}, "[10 11]"),                // stops before 12
				graded([]int32{0, 1, 2, 3, 17}, []int32{18, 19}, "[18 19]"),      // a longer prompt in the same batch
				graded([]int32{5}, []int32{6, 7}, "[6 7]"),                       // goes on past it: wrong
				graded([]int32{21}, []int32{22, 23}, "[22 23 24 25 26 27 28 0]"), // the limit: four more than the longest completion
				graded([]int32{4, 9}, []int32{11, 12}, "[11]"),                   // says 10 first: wrong
				marked,                                 // wrong by generation, right by likelihood
				graded([]int32{11}, []int32{12}, "[]"), // nothing but a stop
				graded([]int32{13}, []int32{14}, "[14 15 16 17 18 19]"),                      // a stop that comes later
				graded([]int32{2, 2, 2, 25}, []int32{26, 27, 28, 0}, "[26 27 28 0 1 2 3 4]"), // around the end
			},
			"none": {graded([]int32{5}, []int32{7}, "[7]")},
		},
		TaskNames: []string{"count", "none"}, Modes: []string{"generate", "loglikelihood"},
	}
	e, err := x.Evaluate("teacher", m)
	if err != nil {
		t.Fatal(err)
	}
	// By generation wrong are the third, the fifth and the marked one; by
	// likelihood the fifth alone, for 9 → 11.
	want := []TaskResult{
		{Task: "count", Mode: "generate", Items: 9, Correct: 6}, {Task: "count", Mode: "loglikelihood", Items: 9, Correct: 8},
		{Task: "none", Mode: "generate", Items: 1}, {Task: "none", Mode: "loglikelihood", Items: 1},
	}
	if !slices.Equal(e.Tasks, want) {
		t.Errorf("got %+v, want %+v", e.Tasks, want)
	}
	if mean, err := x.meanAccuracy(m); err != nil || mean != 0.6 {
		t.Errorf("got the mean accuracy %v, %v, want 6 of 10", mean, err)
	}
	x.TaskNames = nil
	if _, err := x.meanAccuracy(m); err == nil || !strings.Contains(err.Error(), "eval.tasks") {
		t.Errorf("without tasks: %v", err)
	}
}

// TestGenerationEqualsTheArgmaxOfTheWholeForward for prompts of several lengths
// side by side, with all kinds of mixers.
func TestGenerationEqualsTheArgmaxOfTheWholeForward(t *testing.T) {
	m := small(t, "a21a", tensor.F64, nil)
	prompts := [][]int32{{1, 2, 3}, {4}, {5, 6, 7, 8, 9, 10, 11}, {12, 13, 14}}
	const limit = 9
	got, err := layers.Continue(nil, m, prompts, limit, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range prompts {
		ids := slices.Clone(p)
		for range limit {
			b := layers.NewBatch(1, len(ids), tensor.F64)
			copy(tensor.Data[int32](b.IDs), ids)
			best, err := layers.Argmax(nil, m, b)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, best[len(ids)-1])
		}
		if !slices.Equal(got[i], ids[len(p):]) {
			t.Errorf("prompt %v goes on with %v, want %v", p, got[i], ids[len(p):])
		}
	}
}

// TestTheTeacherIsNoDistanceFromItself, and its cross entropy is the mean over
// unmasked held-out tokens of all batches.
func TestTheTeacherIsNoDistanceFromItself(t *testing.T) {
	teacher := small(t, "aa", tensor.F32, nil)
	counts := func(row int64, j int) bool { return j > int(row) }
	x := &Examiner{Teacher: teacher, B: 2, T: 12, Batches: 3, Fill: func(i int, b *layers.Batch) error { return randomRows(counts)(int64(2*i), b) }}
	e, err := x.Evaluate("teacher", teacher)
	if err != nil {
		t.Fatal(err)
	}
	if e.KL != 0 || e.ReverseKL != 0 || e.Agreement != 1 || e.Mamba != 0 || e.Strip != "AA" {
		t.Errorf("got %+v", e)
	}
	ce, n := 0.0, 0
	for i := range x.Batches {
		b := layers.NewBatch(2, 12, tensor.F32)
		if err := x.Fill(i, b); err != nil {
			t.Fatal(err)
		}
		logits, err := layers.Logits(nil, teacher, b)
		if err != nil {
			t.Fatal(err)
		}
		for k := range 24 {
			if counts(int64(2*i+k/12), k%12) {
				ce -= softmax(numbers(logits.Rows(k, k+1)), 1)[tensor.Data[int32](b.Labels)[k]]
				n++
			}
		}
	}
	if ce /= float64(n); int(e.Tokens) != n || math.Abs(e.CrossEntropy-ce) > 1e-5*ce || math.Abs(e.Perplexity-math.Exp(e.CrossEntropy)) > 1e-12*e.Perplexity {
		t.Errorf("got %d tokens with the cross entropy %v, want %d with %v", e.Tokens, e.CrossEntropy, n, ce)
	}
	student := hybrid(t, teacher, milMamba2, 1)
	if e, err = x.Evaluate("student", student); err != nil || !(e.KL > 0) || !(e.ReverseKL > 0) || !(e.Agreement < 1) || e.Mamba != 1 || e.Strip != "AM" {
		t.Errorf("got %+v, %v", e, err)
	}
	x.Fill = func(i int, b *layers.Batch) error { return randomRows(func(int64, int) bool { return false })(0, b) }
	if _, err = x.Evaluate("student", student); err == nil || !strings.Contains(err.Error(), "evaluate student: no held-out token counts") {
		t.Errorf("got %v", err)
	}
}

// TestAnswerTokensAreThoseThatOverlapTheAnswersLastOccurrence.
func TestAnswerTokensAreThoseThatOverlapTheAnswersLastOccurrence(t *testing.T) {
	l, err := LoadModel("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	var tok *tokenizer.Tokenizer = l.Tokenizer
	for _, c := range []struct{ completion, answer string }{{" 12 + 30 = 42\n", "42"}, {" 42 and 42.", "42"}, {"q", "q"}} {
		ids := tok.Encode(c.completion)
		marks := answerTokens(tok, ids, c.completion, c.answer)
		text, before := "", ""
		for i, m := range marks {
			if m {
				text += tok.Decode(ids[i : i+1])
			} else if text == "" {
				before += tok.Decode(ids[i : i+1])
			}
		}
		if from := strings.LastIndex(c.completion, c.answer); !strings.Contains(text, c.answer) || len(before) > from || strings.Count(text, c.answer) != 1 {
			t.Errorf("%q in %q: marked %q after %q", c.answer, c.completion, text, before)
		}
	}
}
