package tasks

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func mustNew(t testing.TB, name string, params map[string]int) Task {
	t.Helper()
	task, err := New(name, params)
	if err != nil {
		t.Fatal(err)
	}
	return task
}

// Two questions are the same if they differ in order only, so the test undoes
// the order by itself and does not ask the item.
func question(name, prompt string) string {
	var parts []string
	switch name {
	case "recall":
		facts, _, _ := strings.Cut(prompt, ":")
		for i := 0; i < len(facts); i += 2 {
			parts = append(parts, facts[i:i+2])
		}
	case "arithmetic":
		parts = regexp.MustCompile(`[+-]?\d+`).FindAllString(prompt, -1)
		parts[0] = "+" + parts[0]
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// The seeds differ and the parameters are the smallest, where questions repeat
// most: still no held-out question is ever trained on.
func TestNoHeldOutQuestionIsEverTrainedOn(t *testing.T) {
	const n = 60_000
	for _, c := range []struct {
		name           string
		train, heldOut map[string]int
	}{
		{"recall", nil, nil},
		{"recall", map[string]int{"min_pairs": 2, "max_pairs": 2, "queries": 1}, map[string]int{"min_pairs": 2, "max_pairs": 4, "queries": 2}},
		{"arithmetic", nil, nil},
		{"arithmetic", map[string]int{"min_steps": 1, "max_steps": 2, "max_operand": 9}, map[string]int{"min_steps": 1, "max_steps": 3, "max_operand": 5}},
	} {
		train, heldOut := mustNew(t, c.name, c.train), mustNew(t, c.name, c.heldOut)
		home := map[string]Split{}
		for i := range uint64(n) {
			home[question(c.name, At(train, Train, 1, i).Prompt)] = Train
		}
		for _, s := range []Split{Validation, Test} {
			for i := range uint64(n / 6) {
				q := question(c.name, At(heldOut, s, 2, i).Prompt)
				if was, seen := home[q]; seen && was != s {
					t.Fatalf("%s: %q is in %v and in %v", c.name, q, was, s)
				}
				home[q] = s
			}
		}
	}
}

func TestATenthOfTheQuestionsIsHeldOutForEachPurpose(t *testing.T) {
	for _, name := range Names() {
		task := mustNew(t, name, nil)
		var count [3]int
		r := newRand(5)
		for range 30_000 {
			count[SplitOf(name, task.Draw(r).canonical)]++
		}
		for s, want := range []float64{0.8, 0.1, 0.1} {
			if got := float64(count[s]) / 30_000; got < want-0.01 || got > want+0.01 {
				t.Errorf("%s: %v holds %.3f of the questions, want %.1f", name, Split(s), got, want)
			}
		}
	}
}

func TestAnItemDependsOnSeedSplitAndIndexOnly(t *testing.T) {
	for _, name := range Names() {
		a, b := mustNew(t, name, nil), mustNew(t, name, nil)
		items := Items(a, Test, 7, 50)
		for i := len(items) - 1; i >= 0; i-- {
			if diff := cmp.Diff(items[i], At(b, Test, 7, uint64(i)), cmpopts.IgnoreUnexported(Item{})); diff != "" {
				t.Fatalf("%s: item %d differs when drawn alone: %s", name, i, diff)
			}
		}
		if Items(a, Test, 8, 1)[0].Prompt == items[0].Prompt || Items(a, Train, 7, 1)[0].Prompt == items[0].Prompt {
			t.Errorf("%s: seed or split make no difference", name)
		}
	}
}

// These items are part of the format: a change here makes trained teachers and
// recorded figures void.
func TestTheFirstItemsAreThese(t *testing.T) {
	for name, want := range map[string][]string{
		"arithmetic": {"48-5+12-18+14?48-5=43;43+12=55;55-18=37;37+14=51#51\n"},
		"recall":     {"C1x6:C1x6\n"},
	} {
		for i, it := range Items(mustNew(t, name, nil), Validation, 0, len(want)) {
			if got := it.Prompt + it.Completion; got != want[i] {
				t.Errorf("%s: item %d is %q, want %q", name, i, got, want[i])
			}
		}
	}
}

func TestEveryCompletionIsGradedRightAndEveryDamageWrong(t *testing.T) {
	for _, name := range Names() {
		for i, it := range Items(mustNew(t, name, nil), Train, 3, 500) {
			if !it.Grade(it.Completion) || !it.Grade(it.Completion+"12+3?") || !it.Grade(strings.TrimSuffix(it.Completion, "\n")) {
				t.Fatalf("%s %d: the completion %q is graded wrong", name, i, it.Completion)
			}
			if !strings.HasSuffix(it.Completion, "\n") || strings.Count(it.Completion, "\n") != 1 {
				t.Fatalf("%s %d: completion %q is not one line", name, i, it.Completion)
			}
			line := strings.TrimSuffix(it.Completion, "\n")
			last := line[len(line)-1]
			for _, bad := range []string{"", "\n" + line, line[:len(line)-1], line + "0", line + " ", line + line,
				line[:len(line)-1] + string('0'+('9'-last+1)%10)} {
				if it.Grade(bad) && bad != line {
					t.Fatalf("%s %d: %q is graded right for %q", name, i, bad, it.Prompt)
				}
			}
		}
	}
}

func TestArithmeticIsRightAndStaysInRange(t *testing.T) {
	number := regexp.MustCompile(`\d+`)
	step := regexp.MustCompile(`^(\d+)([+-])(\d+)=(\d+)$`)
	seen := map[int]bool{}
	for _, it := range Items(mustNew(t, "arithmetic", map[string]int{"max_operand": 99}), Train, 1, 3000) {
		trace, answer, _ := strings.Cut(strings.TrimSpace(it.Completion), "#")
		steps := strings.Split(trace, ";")
		seen[len(steps)] = true
		numbers := number.FindAllString(it.Prompt, -1)
		carried := numbers[0]
		for i, s := range steps {
			m := step.FindStringSubmatch(s)
			if m == nil || m[1] != carried || m[3] != numbers[i+1] {
				t.Fatalf("%q: step %q does not follow from %q", it.Prompt, s, carried)
			}
			a, _ := strconv.Atoi(m[1])
			b, _ := strconv.Atoi(m[3])
			c, _ := strconv.Atoi(m[4])
			if m[2] == "-" {
				b = -b
			}
			if a+b != c || c < 0 || c > 99 {
				t.Fatalf("%q: %q", it.Prompt, s)
			}
			carried = m[4]
		}
		if answer != carried || len(numbers) != len(steps)+1 {
			t.Fatalf("%q: answer %s after %s", it.Prompt, answer, carried)
		}
	}
	if !seen[2] || !seen[3] || !seen[4] || len(seen) != 3 {
		t.Errorf("numbers of steps: %v, want 2, 3 and 4", seen)
	}
}

func TestRecallAsksForPairsThatWereGiven(t *testing.T) {
	format := regexp.MustCompile(`^([a-zA-Z]\d){2,12}:([a-zA-Z]\d){1,4}\n$`)
	for _, it := range Items(mustNew(t, "recall", nil), Train, 1, 3000) {
		text := it.Prompt + it.Completion
		if !format.MatchString(text) {
			t.Fatalf("item %q", text)
		}
		facts, asked, _ := strings.Cut(strings.TrimSpace(text), ":")
		if len(asked) != 2*min(4, len(facts)/2) {
			t.Fatalf("%q: %d queries", text, len(asked)/2)
		}
		seen := map[string]bool{}
		for i := 0; i < len(asked); i += 2 {
			if key := asked[i : i+1]; seen[key] || strings.Count(facts, key) != 1 || !strings.Contains(facts, asked[i:i+2]) {
				t.Fatalf("%q: query %q", text, asked[i:i+2])
			}
			seen[asked[i:i+1]] = true
		}
	}
}

func TestPartsAreThePromptAndTheCompletion(t *testing.T) {
	for _, name := range Names() {
		for _, it := range Items(mustNew(t, name, nil), Train, 1, 500) {
			var all string
			for _, p := range it.Parts {
				all += p.Text
			}
			last := it.Parts[len(it.Parts)-1]
			if all != it.Prompt+it.Completion || !last.Counted || last.Text != it.Completion || it.Parts[0].Counted {
				t.Fatalf("%s: %q + %q is cut into %v", name, it.Prompt, it.Completion, it.Parts)
			}
		}
	}
	want := []Part{{"a3K7:", false}, {"K", false}, {"7", true}, {"a", false}, {"3\n", true}}
	for i := range uint64(1000) {
		task := mustNew(t, "recall", map[string]int{"max_pairs": 2})
		if got := At(task, Train, 0, i).Parts; len(got) != len(want) || got[2].Counted != true || got[3].Counted != false {
			t.Fatalf("parts %v, want the shape of %v", got, want)
		}
	}
}

func TestWrongNamesAndParametersAreErrorsWithAHint(t *testing.T) {
	for _, c := range []struct {
		name   string
		params map[string]int
		want   string
	}{
		{"recal", nil, `no task "recal"; hint: there are arithmetic, recall`},
		{"recall", map[string]int{"pairs": 3}, `no parameter "pairs"; hint: there are max_pairs, min_pairs, queries`},
		{"recall", map[string]int{"queries": 0}, "1 ≤ queries"},
		{"recall", map[string]int{"max_pairs": 53}, "≤ 52"},
		{"arithmetic", map[string]int{"max_operand": 100}, "≤ 99"},
		{"arithmetic", map[string]int{"min_steps": 0}, "1 ≤ min_steps"},
	} {
		_, err := New(c.name, c.params)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: got %v, want %q", c.name, c.params, err, c.want)
		}
	}
}

func TestTheSmallestTasksFillEverySplit(t *testing.T) {
	for name, params := range map[string]map[string]int{
		"recall":     {"min_pairs": 2, "max_pairs": 2, "queries": 1},
		"arithmetic": {"min_steps": 1, "max_steps": 1, "max_operand": 1},
	} {
		for _, s := range []Split{Train, Validation, Test} {
			Items(mustNew(t, name, params), s, 0, 100)
		}
	}
}

func BenchmarkAt(b *testing.B) {
	for _, name := range Names() {
		task := mustNew(b, name, nil)
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				At(task, Train, 1, uint64(i))
			}
		})
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
