package recipes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustLoad(t testing.TB, name string, overrides, environ []string) *Recipe {
	t.Helper()
	r, err := Load(name, overrides, environ)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func resolved(t testing.TB, r *Recipe) string {
	t.Helper()
	b, err := r.MarshalYAML()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTagsOfEveryFieldAreEqual(t *testing.T) {
	var walk func(reflect.Type)
	seen := map[reflect.Type]bool{}
	comments := comments()
	walk = func(s reflect.Type) {
		for s.Kind() == reflect.Pointer || s.Kind() == reflect.Slice {
			s = s.Elem()
		}
		if s.Kind() != reflect.Struct || seen[s] {
			return
		}
		seen[s] = true
		for i := range s.NumField() {
			f := s.Field(i)
			if !f.IsExported() {
				continue
			}
			name := func(tag string) string {
				n, _, _ := strings.Cut(f.Tag.Get(tag), ",")
				return n
			}
			if y := name("yaml"); y != name("mapstructure") || y != name("json") || (y == "") != f.Anonymous || y != strings.ToLower(y) {
				t.Errorf("%v.%s: yaml %q, mapstructure %q, json %q", s, f.Name, y, name("mapstructure"), name("json"))
			}
			if f.Anonymous && (f.Tag.Get("yaml") != ",inline" || f.Tag.Get("mapstructure") != ",squash") {
				t.Errorf("%v.%s is embedded, but not inline in all three", s, f.Name)
			}
			if !f.Anonymous && s != reflect.TypeFor[Overrides]() && comments[s.Name()+"."+f.Name] == "" {
				t.Errorf("%v.%s has no comment, or its file is not among the schema's sources", s, f.Name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Recipe]())
	if len(seen) < 20 {
		t.Errorf("walked %d structs only", len(seen))
	}
	train, over := reflect.TypeFor[Train](), reflect.TypeFor[Overrides]()
	for i := range train.NumField() {
		f := train.Field(i)
		o, ok := over.FieldByName(f.Name)
		if !ok || o.Type.Elem() != f.Type {
			t.Errorf("Train.%s cannot be overridden by a phase", f.Name)
		}
	}
}

func TestTheVariablesOfTheTestsSetNothingAndATypoStillShows(t *testing.T) {
	plain := mustLoad(t, "quickstart", nil, nil)
	r := mustLoad(t, "quickstart", nil, []string{"STILLHOUSE_GOLDENS=/data/goldens", "STILLHOUSE_REAL=/data/real"})
	if d := cmp.Diff(resolved(t, plain), resolved(t, r)); d != "" {
		t.Error(d)
	}
	for _, v := range testData {
		if key := strings.ToLower(strings.TrimPrefix(v, EnvPrefix)); root().byName[key] != nil {
			t.Errorf("%s is a recipe's key as well", key)
		}
	}
	if _, err := Load("quickstart", nil, []string{"STILLHOUSE_GOLDEN=/data"}); err == nil || !strings.Contains(err.Error(), `unknown key "golden"`) {
		t.Errorf("got %v", err)
	}
}

func TestFlagsBeatVariablesBeatTheFileBeatsThePresetBeatsDefaults(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.yaml")
	write := func(s string) {
		if err := os.WriteFile(file, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const base = "extends: quickstart\nname: mine\n"
	rate := func(overrides, environ []string) (float64, string) {
		r := mustLoad(t, file, overrides, environ)
		o, ok := r.Origin("train.weight_decay")
		if !ok {
			t.Fatal("no origin")
		}
		return r.Train.WeightDecay, o.String()
	}
	env, flag := []string{"STILLHOUSE_TRAIN__WEIGHT_DECAY=0.3", "PATH=/bin"}, []string{"train.weight_decay=0.4"}
	write(base)
	if v, o := rate(nil, nil); v != 0.1 || o != "default" {
		t.Errorf("got %g from %s, want the default", v, o)
	}
	write(base + "train: {weight_decay: 0.2}\n")
	if v, o := rate(nil, nil); v != 0.2 || o != file+":3" {
		t.Errorf("got %g from %s, want the file's", v, o)
	}
	if v, o := rate(nil, env); v != 0.3 || o != env[0] {
		t.Errorf("got %g from %s, want the variable's", v, o)
	}
	if v, o := rate(flag, env); v != 0.4 || o != "--set "+flag[0] {
		t.Errorf("got %g from %s, want the flag's", v, o)
	}
	if v, _ := rate([]string{flag[0], "train.weight_decay=0.5"}, env); v != 0.5 {
		t.Errorf("got %g, want the last flag's", v)
	}
	r := mustLoad(t, file, nil, nil)
	if o, _ := r.Origin("phases.0.max_tokens"); o.Kind != FromPreset || !strings.HasPrefix(o.String(), "quickstart.yaml:") {
		t.Errorf("origin of the preset's phases is %v", o)
	}
	preset := mustLoad(t, "quickstart", nil, nil)
	if r.Name != "mine" || r.OutputDir != "runs/mine" || r.Extends != "" || r.Train.LearningRate != preset.Train.LearningRate {
		t.Errorf("got name %q in %q, extends %q, rate %g", r.Name, r.OutputDir, r.Extends, r.Train.LearningRate)
	}
}

func TestFlagsReachIntoListsAndTakeWholeValues(t *testing.T) {
	r := mustLoad(t, "quickstart", []string{
		"phases.0.max_tokens=10k", "phases.1.trainable.0.lr_scale=0.5", "plan.mamba_layers=[2,4]",
		"objective.0.temperature=2", "data.train.1.max_pairs=9", "eval.tasks.0.items=7",
		"phases.2={name: last, max_steps: 3}", "stages=[{gate: {metric: val_kl, max: 1}}]", "export=null", "student.keep_attention.0=7",
	}, []string{"STILLHOUSE_PHASES__0__LEARNING_RATE=0.5"})
	type picked struct {
		Tokens, Pairs, EvalPairs, Items, Phases int
		Scale, Rate, Temperature                float64
		Counts, Keep                            []int
		Export                                  bool
	}
	got := picked{int(r.Phases[0].MaxTokens), r.Data.Train[1].MaxPairs, r.Eval.Tasks[0].MaxPairs, r.Eval.Tasks[0].Items, len(r.Phases),
		r.Phases[1].Trainable[0].LRScale, *r.Phases[0].LearningRate, r.Objective[0].Temperature, r.Plan.MambaLayers, r.Student.KeepAttention, r.Export != nil}
	want := picked{10000, 9, 9, 7, 3, 0.5, 0.5, 2, []int{2, 4}, []int{7}, false}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if r.Phases[0].Name != "mixers" || r.Phases[1].MaxTokens != mustLoad(t, "quickstart", nil, nil).Phases[1].MaxTokens {
		t.Errorf("a patch lost its neighbours: %+v", r.Phases)
	}
}

func TestAChoiceInAHigherLayerTakesAwayTheOthers(t *testing.T) {
	r := mustLoad(t, "quickstart", []string{"plan.fractions=[0.25, 0.5]", "train.warmup_steps=3", "plan.rescore.method=random"}, nil)
	if r.Plan.MambaLayers != nil || len(r.Plan.Fractions) != 2 {
		t.Errorf("plan is %+v, want fractions only", r.Plan)
	}
	if r.Train.WarmupRatio != 0 || r.Train.WarmupSteps != 3 {
		t.Errorf("warm-up is %g and %d steps, want the steps only", r.Train.WarmupRatio, r.Train.WarmupSteps)
	}
	if s := r.Plan.Rescore; s.Method != "random" || s.Steps != 0 || s.Stop != "" || s.Calibration.Sequences != 0 {
		t.Errorf("rescore is %+v, want random and nothing of mmr", *s)
	}
	_, err := Load("quickstart", []string{"plan.fractions=[0.5]", "plan.group_size=2"}, nil)
	if err == nil || !strings.Contains(err.Error(), "cannot both") {
		t.Errorf("two forms in flags: got %v", err)
	}
	_, err = Load("quickstart", []string{"importance.method=random", "importance.steps=5"}, nil)
	if err == nil || !strings.Contains(err.Error(), "steps is not used by method random") {
		t.Errorf("a setting that the flag's own method does not use: got %v", err)
	}
}

func TestAPlanOfFewerStagesLeavesThePresetsOverridesOfStages(t *testing.T) {
	preset := mustLoad(t, "quickstart", nil, nil)
	for set, want := range map[string]int{
		"plan.mamba_layers=[4]": 0, "plan.fractions=[0.5]": 0, "plan={group_size: 1, total: 3}": 0,
		"plan.mamba_layers=[3, 5]": len(preset.Stages), "plan.rescore.steps=9": len(preset.Stages),
	} {
		if r := mustLoad(t, "quickstart", []string{set}, nil); len(r.Stages) != want || len(r.Phases) != len(preset.Phases) {
			t.Errorf("%s leaves %d stages and %d phases, want %d and %d", set, len(r.Stages), len(r.Phases), want, len(preset.Phases))
		}
	}
	_, err := Load("quickstart", []string{"plan.mamba_layers=[4]", "stages=[{}, {}]"}, nil)
	if err == nil || !strings.Contains(err.Error(), "overrides of stage 2, but the plan has 1") {
		t.Errorf("overrides of the plan's own layer: got %v", err)
	}
}

func TestShortWaysOfWritingMeanTheLongOnes(t *testing.T) {
	long := mustLoad(t, "quickstart", []string{
		"objective=[{type: jsd, weight: 1, beta: 0.5}]", "eval.tasks=[{name: recall}]", "phases=[{max_steps: 9, trainable: [{pattern: mixers, lr_scale: 1}]}]",
		"plan.rescore={method: gate, calibration: {sequences: 64}}", "data.train=[{source: go}]", "data.loss_on=all", "finish=[{type: sft, max_steps: 2}]",
	}, nil)
	short := mustLoad(t, "quickstart", []string{
		"objective=jsd", "eval.tasks=recall", "phases=[{max_steps: 9, trainable: mixers}]", "plan.rescore=null", "data.train=[go]", "data.loss_on=all", "finish={type: sft, max_steps: 2}",
	}, []string{"STILLHOUSE_PLAN__RESCORE=true"})
	short2 := mustLoad(t, "quickstart", []string{
		"objective=jsd", "eval.tasks=[recall]", "phases=[{max_steps: 9, trainable: mixers}]", "data.train=[go]", "data.loss_on=all", "finish={type: sft, max_steps: 2}",
		"plan={mamba_layers: [2, 4, 6], rescore: null}",
	}, nil)
	if short.Plan.Rescore != nil || short2.Plan.Rescore != nil {
		t.Error("null does not take rescore away")
	}
	again, err := Parse("quickstart.yaml", []byte(strings.Replace(resolved(t, short2), "plan:\n", "plan:\n  rescore: true\n", 1)), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(resolved(t, long), resolved(t, again)); d != "" {
		t.Error(d)
	}
}

func TestViperAndTheTreeAgree(t *testing.T) {
	pool := []string{
		"seed=7", "train.learning_rate=3e-4", "train.warmup_steps=4", "phases.0.max_tokens=30k", "phases.1.learning_rate=1e-3",
		"plan.mamba_layers=[1, 2]", "plan.group_size=2", "plan.rescore=null", "plan.rescore.steps=9", "plan.rescore.method=swap",
		"importance.method=random", "importance.method=mmr", "importance.steps=12", "student.mixer.type=mamba1", "export=null",
		"student.mixer.groups=1", "objective=[{type: jsd, beta: 0.3}]", "objective.0.weight=2", "limits.max_memory=4GiB", "data.train.0.weight=2",
		"stages=[{}, {gate: {metric: val_kl, max: 1}}]", "eval.contexts=[1k]", "teacher.path=here", "tracking=[]", "data.sequence_len=128",
	}
	rapid.Check(t, func(t *rapid.T) {
		sets := rapid.SliceOfN(rapid.SampledFrom(pool), 0, 5).Draw(t, "set")
		var env []string
		for _, e := range rapid.SliceOfN(rapid.SampledFrom(pool), 0, 3).Draw(t, "environment") {
			k, v, _ := strings.Cut(e, "=")
			env = append(env, EnvPrefix+strings.ToUpper(strings.ReplaceAll(k, ".", "__"))+"="+v)
		}
		r, err := Load("quickstart", sets, env)
		var found Problems
		if errors.As(err, &found) {
			return
		}
		if err != nil {
			t.Fatalf("%v %v: %v", sets, env, err)
		}
		want := plain(r.tree)
		got := plain(encode(reflect.ValueOf(r).Elem(), root()))
		if a, b := fmt.Sprint(got), fmt.Sprint(want); a != b {
			t.Fatalf("%v %v:\nviper %s\ntree  %s", sets, env, a, b)
		}
	})
}

func TestAFileThatIsNotThereGetsAHint(t *testing.T) {
	_, err := Load("quickstrat", nil, nil)
	if err == nil || !strings.Contains(err.Error(), "did you mean quickstart?") {
		t.Errorf("got %v", err)
	}
	_, err = Parse("a.yaml", []byte("extends: quikstart\n"), nil, nil)
	if err == nil || !strings.Contains(err.Error(), "did you mean quickstart?") {
		t.Errorf("got %v", err)
	}
}

func TestAnchorsAndMergeKeysAreFollowed(t *testing.T) {
	text := strings.Replace(whole, "phases:\n  - name: mixers\n    trainable: new_mixers\n    max_tokens: 200k\n", "x-base: &base {max_tokens: 10k, trainable: all}\nphases:\n  - {<<: *base, name: mixers, trainable: new_mixers}\n", 1)
	r, err := Parse("a.yaml", []byte(text), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p := r.Phases[0]; p.MaxTokens != 10_000 || p.Trainable[0].Pattern != "new_mixers" {
		t.Errorf("got %+v", p)
	}
	bomb := "a: &a [1,1,1,1,1,1,1,1,1]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	if _, err := Parse("a.yaml", []byte(bomb), nil, nil); err == nil || !strings.Contains(err.Error(), "larger than any recipe") {
		t.Errorf("a bomb of aliases: got %.200v", err)
	}
}

func TestCopyNeverOverwrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "mine.yaml")
	if err := Copy("tiny", path); err != nil {
		t.Fatal(err)
	}
	r := mustLoad(t, path, []string{"name=null"}, nil)
	if r.Name != "mine" {
		t.Errorf("name is %q, want the file's", r.Name)
	}
	if err := Copy("tiny", path); !errors.Is(err, os.ErrExist) {
		t.Errorf("second copy: got %v", err)
	}
}

func FuzzParseNeverPanics(f *testing.F) {
	f.Add(whole, "phases.0.max_tokens=3", "SEED=1")
	for _, p := range planted {
		f.Add(strings.Replace(whole, p.old, strings.ReplaceAll(p.new, "§", ""), 1), "a.b.0=[1", "")
	}
	for _, s := range []string{"", "a: &a [*a]", "{[}", "- 1\n- 2", "a: !!binary x", "<<: {a: 1}", "a: |\n  x", "? [a]: b", "\ufeffversion: 1", "phases: [[]]", "x", "plan: {rescore: {method: }}"} {
		f.Add(s, "plan.rescore=true", "PHASES__0__TRAINABLE=all")
	}
	f.Fuzz(func(t *testing.T, text, flag, variable string) {
		r, err := Parse("fuzz.yaml", []byte(text), []string{flag}, []string{EnvPrefix + variable})
		var found Problems
		if err != nil && !errors.As(err, &found) {
			t.Fatalf("an error that is no problem of the recipe: %v", err)
		}
		if err != nil {
			_ = err.Error()
			return
		}
		first := resolved(t, r)
		again, err := Parse("fuzz.yaml", []byte(first), nil, nil)
		if err != nil {
			t.Fatalf("the resolved recipe is refused: %v\n%s", err, first)
		}
		if second := resolved(t, again); first != second {
			t.Fatalf("resolving again changes it:\n%s\n%s", first, second)
		}
	})
}
