package recipes

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// whole is a recipe that uses most sections and has nothing wrong with it.
const whole = `# a comment
version: 1
name: whole
x-note: {anything: [goes, here]}

teacher:
  path: embedded:teacher
data:
  train:
    - {source: go, weight: 0.5}
    - source: "task:recall"
      min_pairs: 4
      max_pairs: 8
    - {path: traces.jsonl, format: messages, weight: 0.25}
  validation: {fraction: 0.02, batches: 8}
  sequence_len: 256
  loss_on: all
importance:
  method: mmr
  steps: 50
  calibration: {sequences: 16}
student:
  mixer: {type: mamba2, init: mil-fit, norm: full, conv: 4}
  keep_attention: [0]
plan:
  mamba_layers: [2, 4]
  rescore: true
objective:
  - {type: reverse_kl, weight: 1.0}
  - {type: hidden, weight: 0.1, kind: cosine}
train:
  learning_rate: 1e-4
  lr_scheduler_type: wsd
  decay_ratio: 0.2
  warmup_ratio: 0.05
  per_device_train_batch_size: 8
phases:
  - name: mixers
    trainable: new_mixers
    max_tokens: 200k
  - name: all
    trainable: [{pattern: mixers}, {pattern: "model.layers.*", lr_scale: 0.1}]
    max_steps: 100
    learning_rate: 5e-6
stages:
  - gate: {metric: val_kl, max: 0.2}
finish:
  - {type: sft, max_tokens: 100k}
  - {type: merge, checkpoints: [stage-2, sft], weights: [0.5, 0.5]}
eval:
  tasks: [recall]
  modes: [generate]
checkpoint:
  every: 30s
limits:
  max_memory: 8GiB
export: {format: granitemoehybrid}
`

// plant is one error: what it replaces, and what by; § stands before the place
// that must be named.
type plant struct{ kind, old, new, says string }

var planted = []plant{
	{"unknown key", "version: 1", "version: 1\n§seeed: 3", "did you mean seed?"},
	{"unknown key", "    max_steps: 100", "    max_steps: 100\n    §lr: 1e-3", "learning_rate"},
	{"unknown key", "norm: full, conv: 4", "norm: full, §d_conv: 4", "conv"},
	{"unknown key", "  sequence_len: 256", "  §sequence_length: 256", "did you mean sequence_len?"},
	{"unknown key", "  max_memory: 8GiB", "  max_memory: 8GiB\n  §keep_last: 3", "belongs under checkpoint"},
	{"unknown key", "{type: hidden, weight: 0.1,", "{type: hidden, §wieght: 0.1,", "did you mean weight?"},

	{"wrong type", "  sequence_len: 256", "  sequence_len: §long", "a whole number"},
	{"wrong type", "mamba_layers: [2, 4]", "mamba_layers: §4", "write [4]"},
	{"wrong type", "  validation: {fraction: 0.02, batches: 8}", "  validation: §0.02", "a mapping"},
	{"wrong type", "  loss_on: all", "  loss_on: all\n  packing: §yes", "true or false"},
	{"wrong type", "learning_rate: 1e-4", "learning_rate: §\"1e-4\"", "quotes"},
	{"wrong type", "  path: embedded:teacher", "  path: §[a, b]", "a text"},

	{"value not known", "  method: mmr", "  method: §mrr", "did you mean mmr?"},
	{"value not known", "init: mil-fit", "init: §milfit", "did you mean mil-fit?"},
	{"value not known", "lr_scheduler_type: wsd", "lr_scheduler_type: §linear", "constant, cosine, wsd"},
	{"value not known", "{type: reverse_kl,", "{type: §reversekl,", "did you mean reverse_kl?"},
	{"value not known", "  modes: [generate]", "  modes: [§generation]", "generate"},
	{"value not known", "    trainable: new_mixers", "    trainable: §new_mixer", "did you mean new_mixers?"},

	{"out of range", "fraction: 0.02", "fraction: §1.5", "less than 1"},
	{"out of range", "learning_rate: 1e-4", "learning_rate: §-1e-4", "more than 0"},
	{"out of range", "  steps: 50", "  steps: §0", "at least 1"},
	{"out of range", "version: 1", "version: §2", "at most 1"},
	{"out of range", "keep_attention: [0]", "keep_attention: [§-1]", "at least 0"},

	{"unit", "max_tokens: 200k", "max_tokens: §200q", "200k"},
	{"unit", "every: 30s", "every: §30", "30s or 30m"},
	{"unit", "max_memory: 8GiB", "max_memory: §8 gigs", "8GiB"},
	{"unit", "every: 30s", "every: §half an hour", "15m"},
	{"unit", "{type: sft, max_tokens: 100k}", "{type: sft, max_tokens: §0.5}", "whole number"},

	{"twice", "  steps: 50", "  steps: 50\n  §steps: 60", "twice"},
	{"twice", "limits:", "§name: again\nlimits:", "line 3"},
	{"twice", "keep_attention: [0]", "keep_attention: [0, §0]", "listed twice"},
	{"twice", "  tasks: [recall]", "  tasks: [recall, §recall]", "listed twice"},
	{"twice", "  - name: all", "  - name: §mixers", "two phases"},

	{"choose one", "  mamba_layers: [2, 4]", "  mamba_layers: [2, 4]\n  fractions: §[0.5]", "cannot both"},
	{"choose one", "    max_tokens: 200k", "    max_tokens: 200k\n    max_steps: §5", "cannot both"},
	{"choose one", "max: 0.2}", "max: 0.2, min: §0.1}", "cannot both"},
	{"choose one", "  path: embedded:teacher", "  path: embedded:teacher\n  train: §{max_steps: 3}", "cannot both"},
	{"choose one", "  warmup_ratio: 0.05", "  warmup_ratio: 0.05\n  warmup_steps: §5", "cannot both"},

	{"not used", "  steps: 50", "  §scope: block", "loo"},
	{"not used", "kind: cosine}", "kind: cosine, §temperature: 2}", "reverse_kl"},
	{"not used", "conv: 4}", "conv: 4, §dt_rank: 8}", "mamba1"},
	{"not used", "{source: go,", "{source: go, §queries: 3,", "task:recall"},
	{"not used", "  lr_scheduler_type: wsd\n  decay_ratio: 0.2", "  lr_scheduler_type: cosine\n  decay_ratio: §0.3", "wsd"},

	{"contradiction", "mamba_layers: [2, 4]", "mamba_layers: [4, §2]", "does not increase"},
	{"contradiction", "metric: val_kl", "metric: §arithmetic.generate", "not evaluated"},
	{"contradiction", "{format: granitemoehybrid}", "{format: §apriel_hybrid_ssm}", "mamba1"},
	{"contradiction", "[stage-2, sft]", "[§stage-3, sft]", "no checkpoint"},
	{"contradiction", "  warmup_ratio: 0.05", "  warmup_steps: §60", "warm-up"},
	{"contradiction", "      min_pairs: 4", "      min_pairs: §9", "max_pairs"},

	{"missing", "version: 1\nname: whole\nx-note: {anything: [goes, here]}\n\nteacher:\n  path: embedded:teacher\n", "§version: 1\nname: whole\n", "no teacher"},
	{"missing", "name: all\n    trainable: [{pattern: mixers}, {pattern: \"model.layers.*\", lr_scale: 0.1}]\n    max_steps: 100\n", "§name: all\n", "max_tokens: 200k or max_steps"},
	{"missing", "{metric: val_kl, ", "§{", "wants metric"},
	{"missing", "{type: reverse_kl, weight: 1.0}", "§{weight: 1.0}", "wants type"},
	{"missing", "{path: traces.jsonl, format: messages, weight: 0.25}", "§{format: messages, weight: 0.25}", "wants a path"},

	{"not YAML", "  modes: [generate]", "  modes: §[generate", "not closed"},
	{"not YAML", "checkpoint:\n  every", "checkpoint:\n§\tevery", "tabs"},
	{"not YAML", "version: 1", "version: 1\n §name2: x", "indented"},

	{"contradiction", "  path: embedded:teacher", "  path: embedded:teacher\n  §cache: {targets: topk}", "hidden, compares"},
	{"not used", "  path: embedded:teacher", "  path: embedded:teacher\n  cache: {targets: hidden, §k: 5}", "topk"},
}

func plantIn(t *testing.T, p plant) (text string, line, column int) {
	t.Helper()
	if strings.Count(whole, p.old) == 0 {
		t.Fatalf("%q is not in the recipe", p.old)
	}
	text = strings.Replace(whole, p.old, p.new, 1)
	before, after, ok := strings.Cut(text, "§")
	if !ok {
		t.Fatalf("%q does not say where", p.new)
	}
	return before + after, strings.Count(before, "\n") + 1, len([]rune(before[strings.LastIndexByte(before, '\n')+1:])) + 1
}

func TestPlantedErrorsAreReportedWithTheirLines(t *testing.T) {
	if _, err := Parse("whole.yaml", []byte(whole), nil, nil); err != nil {
		t.Fatalf("the recipe without errors: %v", err)
	}
	right, all := 0, 0
	kinds := map[string]bool{}
	for _, p := range planted {
		kinds[p.kind] = true
		all++
		text, line, column := plantIn(t, p)
		began := time.Now()
		_, err := Parse("whole.yaml", []byte(text), nil, nil)
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("%s: took %v, want less than 100ms", p.new, took)
		}
		var found Problems
		if !errors.As(err, &found) || len(found) == 0 {
			t.Errorf("%s %q: no problem found: %v", p.kind, p.new, err)
			continue
		}
		if len(found) > 1 {
			t.Errorf("%s %q: %d problems, want 1:\n%v", p.kind, p.new, len(found), err)
		}
		f := found[0]
		if f.Line != line || f.Column != column {
			t.Errorf("%s %q: reported at %d:%d, want %d:%d\n%v", p.kind, p.new, f.Line, f.Column, line, column, err)
			continue
		}
		if said := f.String(); !strings.Contains(said, p.says) {
			t.Errorf("%s %q: want it to say %q:\n%s", p.kind, p.new, p.says, said)
		}
		right++
	}
	if len(kinds) < 10 || all < 50 || right < all*49/50 {
		t.Errorf("%d of %d errors of %d kinds found, want 49 of 50 of 10", right, all, len(kinds))
	}
	t.Logf("%d of %d errors of %d kinds", right, all, len(kinds))
}

func TestManyErrorsAreReportedAtOnce(t *testing.T) {
	text, want := whole, 0
	for _, p := range []int{0, 1, 2, 6, 12, 17, 19, 24, 30, 39, 44} {
		if strings.Contains(text, planted[p].old) && strings.Contains(planted[p].new, "§") {
			text = strings.Replace(text, planted[p].old, planted[p].new, 1)
			want++
		}
	}
	lines := map[int]bool{}
	for i, l := range strings.Split(text, "\n") {
		if strings.Contains(l, "§") {
			lines[i+1] = true
		}
	}
	_, err := Parse("many.yaml", []byte(strings.ReplaceAll(text, "§", "")), nil, nil)
	var found Problems
	if !errors.As(err, &found) {
		t.Fatalf("got %v, want problems", err)
	}
	for _, p := range found {
		if !lines[p.Line] {
			t.Errorf("false alarm: %v", p)
		}
		delete(lines, p.Line)
	}
	if len(lines) > 0 || len(found) < want {
		t.Errorf("%d problems, want %d; no problem on lines %v:\n%v", len(found), want, lines, err)
	}
}

func TestEmbeddedRecipesRaiseNoAlarm(t *testing.T) {
	for _, i := range List() {
		began := time.Now()
		r, err := Load(i.Name, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", i.Name, err)
			continue
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("%s took %v, want less than 100ms", i.Name, took)
		}
		layers := 8
		if g := r.Teacher.Geometry; g != nil {
			layers = g.Layers
		}
		if err := r.Check(layers); i.Name != "tiny" && err != nil {
			t.Errorf("%s with %d layers: %v", i.Name, layers, err)
		}
		if i.Summary == "" || strings.Contains(i.Summary, "version") {
			t.Errorf("%s opens without saying what it is for: %q", i.Name, i.Summary)
		}
	}
}

func TestAGeometryStandsInForATeacherThatIsNotAtHand(t *testing.T) {
	const text = `version: 1
name: x
teacher: {path: "hf://org/name", geometry: {num_hidden_layers: 6, hidden_size: 64, num_attention_heads: 4}}
data: {train: [{path: "hf://datasets/org/set/train.jsonl", format: messages}], loss_on: assistant, on_error: skip}
plan: {mamba_layers: [4]}
phases: [{max_steps: 1}]
`
	r, err := Parse("x.yaml", []byte(text), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := r.Teacher.Geometry.HeadDim; got != 16 {
		t.Errorf("head_dim is %d, want 64/4", got)
	}
	for _, c := range []struct {
		old, new, want string
	}{
		{"[4]", "[7]", "7 layers cannot become Mamba"},
		{"hf://org/name", "hf://name", "names no model"},
		{"hf://org/name", "hf://org/name/file", "names no model"},
		{"hf://datasets/org/set/train.jsonl", "hf://org/set/train.jsonl", "names no data set"},
		{"skip", "warn", "on_error"},
	} {
		if _, err := Parse("x.yaml", []byte(strings.Replace(text, c.old, c.new, 1)), nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in place of %s: %v, want %q", c.new, c.old, err, c.want)
		}
	}
	if err := r.Check(8); err == nil || !strings.Contains(err.Error(), "teacher.geometry has 6 layers, the model has 8") {
		t.Errorf("another model: %v", err)
	}
}

func TestCheckKnowsTheLayers(t *testing.T) {
	r, err := Parse("whole.yaml", []byte(whole), []string{"student.keep_attention=[0, 9]", "importance.layers=null"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Check(10); err != nil {
		t.Errorf("10 layers: %v", err)
	}
	err = r.Check(4)
	if err == nil || !strings.Contains(err.Error(), "there is no layer 9") || !strings.Contains(err.Error(), "4 layers cannot become Mamba") {
		t.Errorf("4 layers: got %v", err)
	}
	var found Problems
	if errors.As(err, &found); len(found) != 2 || found[0].File != "--set" && found[1].File != "--set" || found[1].Line != 26 {
		t.Errorf("got %+v, want one at --set and one at line 26", found)
	}
}

func TestProblemsOfFlagsAndVariablesNameThem(t *testing.T) {
	_, err := Parse("whole.yaml", []byte(whole), []string{"train.learning_rat=3", "phases.7.max_steps=3", "seed"}, []string{"STILLHOUSE_SEED=x", "HOME=/root"})
	var found Problems
	if !errors.As(err, &found) || len(found) != 4 {
		t.Fatalf("got %v, want 4 problems", err)
	}
	got := ""
	for _, p := range found {
		got += fmt.Sprintln(p.File, p.Line, p.Column, p.Source)
	}
	want := "--set 0 1 train.learning_rat=3\n--set 0 1 phases.7.max_steps=3\n--set 0 1 seed\nenvironment 0 17 STILLHOUSE_SEED=x\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestAProblemIsDrawnAsCompilersDo(t *testing.T) {
	_, err := Parse("a.yaml", []byte(strings.Replace(whole, "  steps: 50", "  stepz: 50", 1)), nil, nil)
	want := `a.yaml:20:3: unknown key "stepz" in importance
   20 |   stepz: 50
      |   ^
  hint: did you mean steps?
1 problem`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
