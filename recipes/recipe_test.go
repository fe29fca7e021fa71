package recipes

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestUnitsAreReadExactly(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "200k": 200_000, "2M": 2_000_000, "1.5M": 1_500_000, "3B": 3e9, "16Ki": 16384, "1_000": 1000, "1e6": 1e6, "0.1k": 100, "4 k": 4000} {
		if got, err := ParseCount(text); err != nil || int64(got) != want {
			t.Errorf("count %q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]int64{"8GiB": 8 << 30, "512MiB": 512 << 20, "1.5GB": 15e8, "10": 10, "3B": 3, "0.5KiB": 512} {
		if got, err := ParseBytes(text); err != nil || int64(got) != want {
			t.Errorf("bytes %q: got %d, %v, want %d", text, got, err, want)
		}
	}
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "15m": 15 * time.Minute, "24h": 24 * time.Hour, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "0": 0} {
		if got, err := ParseDuration(text); err != nil || time.Duration(got) != want {
			t.Errorf("duration %q: got %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "k", "-1", "1.5", "1e99", "9e18k", "1/2", "0x10", "12q", "1.2.3", "NaN", "99999999999999999999"} {
		if got, err := ParseCount(text); err == nil {
			t.Errorf("count %q: got %d, want an error", text, got)
		}
	}
	for _, text := range []string{"", "30", "-1m", "1x", "99999d99999h999999999h", "-2d"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("duration %q: got %v, want an error", text, got)
		}
	}
}

func TestUnitsSurviveBeingWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(0, 1<<62).Draw(t, "n")
		if c, err := ParseCount(Count(n).String()); err != nil || int64(c) != n {
			t.Fatalf("count %d is written %s and read %d, %v", n, Count(n), c, err)
		}
		if b, err := ParseBytes(Bytes(n).String()); err != nil || int64(b) != n {
			t.Fatalf("bytes %d are written %s and read %d, %v", n, Bytes(n), b, err)
		}
		if d, err := ParseDuration(Duration(n).String()); err != nil || int64(d) != n {
			t.Fatalf("duration %d is written %s and read %d, %v", n, Duration(n), d, err)
		}
	})
	type all struct {
		C Count
		B Bytes
		D Duration
	}
	in := all{1_500_000, 8 << 30, Duration(90 * time.Second)}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"C":1500000,"B":8589934592,"D":"1m30s"}` {
		t.Errorf("JSON is %s, %v", b, err)
	}
	var out all
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("read back %+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"C":"1500k","B":"8GiB","D":"90s"}`), &out); err != nil || out != in {
		t.Errorf("read from texts %+v, %v", out, err)
	}
}

func TestResolvedRecipesReadBackToTheSameBytes(t *testing.T) {
	for _, i := range List() {
		r := mustLoad(t, i.Name, nil, nil)
		first := resolved(t, r)
		for range 3 {
			if resolved(t, r) != first {
				t.Fatalf("%s: two writings differ", i.Name)
			}
		}
		again, err := Parse("recipe.yaml", []byte(first), nil, nil)
		if err != nil {
			t.Errorf("%s: %v", i.Name, err)
			continue
		}
		if d := cmp.Diff(first, resolved(t, again)); d != "" {
			t.Errorf("%s: %s", i.Name, d)
		}
		js, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if again, err = Parse("recipe.json", js, nil, nil); err != nil {
			t.Errorf("%s as JSON: %v", i.Name, err)
		} else if d := cmp.Diff(first, resolved(t, again)); d != "" {
			t.Errorf("%s as JSON: %s", i.Name, d)
		}
		if c := Diff(r, again); len(c) > 0 {
			t.Errorf("%s: differs from itself: %+v", i.Name, c)
		}
	}
	text := resolved(t, mustLoad(t, "quickstart", []string{"train.warmup_ratio=0", "name=null"}, nil))
	for _, line := range []string{"  warmup_ratio: 0\n", "  adam_beta2: 0.95\n", "    temperature: 1\n", "output_dir: runs/quickstart\n", "  every: 30s\n"} {
		if !strings.Contains(text, line) {
			t.Errorf("the resolved recipe does not show %q:\n%s", line, text)
		}
	}
}

func TestPhasesInheritFromStageAndTrain(t *testing.T) {
	r := mustLoad(t, "quickstart", []string{
		"stages=[{}, {objective: [{type: forward_kl}]}, {phases: [{max_steps: 5, objective: jsd, warmup_steps: 2}]}]",
		"train.gradient_accumulation_steps=2", "train.learning_rate=1e-4", "phases.0.learning_rate=1e-3", "phases.0.max_tokens=200k",
	}, nil)
	one, two, three := r.StagePhases(1), r.StagePhases(2), r.StagePhases(3)
	if len(one) != 2 || one[0].Train.LearningRate != 1e-3 || one[1].Train.LearningRate != 1e-4 || one[0].Train.Accumulation != 2 || one[0].Objective[0].Type != "reverse_kl" {
		t.Errorf("stage 1 is %+v", one)
	}
	if two[0].Objective[0].Type != "forward_kl" || two[0].MaxTokens != 200_000 {
		t.Errorf("stage 2 is %+v", two)
	}
	if len(three) != 1 || three[0].Name != "phase-1" || three[0].Objective[0].Type != "jsd" || three[0].Train.WarmupRatio != 0 || three[0].Train.Warmup(5) != 2 {
		t.Errorf("stage 3 is %+v", three)
	}
	if s := one[0].Steps(); s != 200_000/4096 || one[0].Tokens() != int64(s)*4096 {
		t.Errorf("200k tokens in steps of 4096 are %d steps", s)
	}
	if p, ok := mustLoad(t, "teacher", nil, nil).TeacherPhase(); !ok || p.Train.Scheduler != "wsd" || p.Train.WeightDecay != 0.1 || p.Objective[0].Type != "cross_entropy" {
		t.Errorf("the teacher trains by %+v", p)
	}
}

func TestEveryChangeSaysWhatItCosts(t *testing.T) {
	base := mustLoad(t, "tiny", []string{"stages=[{}, {gate: {metric: val_kl, max: 9}}]"}, nil)
	for _, c := range []struct {
		set, key string
		want     Effect
	}{
		{"threads=3", "threads", Effect{Kind: Harmless}},
		{"train.logging_steps=5", "train.logging_steps", Effect{Kind: Harmless}},
		{"train.checkpoint_blocks=true", "train.checkpoint_blocks", Effect{Kind: Harmless}},
		{"phases.1.checkpoint_blocks=true", "phases.1.checkpoint_blocks", Effect{Kind: Harmless}},
		{"checkpoint.every=1m", "checkpoint.every", Effect{Kind: Harmless}},
		{"limits.max_time=2h", "limits.max_time", Effect{Kind: Harmless}},
		{"eval.contexts=[8]", "eval.contexts", Effect{Kind: Harmless}},
		{"stages.1.gate.max=3", "stages.1.gate.max", Effect{Kind: Harmless}},
		{"seed=8", "seed", Effect{Kind: RedoAll}},
		{"data.loss_on=completion", "data.loss_on", Effect{Kind: RedoAll}},
		{"teacher.train.learning_rate=1e-3", "teacher.train.learning_rate", Effect{Kind: RedoAll}},
		{"train.weight_decay=0.2", "train.weight_decay", Effect{Kind: RedoAll}}, // the teacher's too
		{"train.learning_rate=2e-3", "train.learning_rate", Effect{RedoFromStage, 1}},
		{"importance.labels=sampled", "importance.labels", Effect{RedoFromStage, 0}},
		{"student.mixer.init=mil", "student.mixer.init", Effect{RedoFromStage, 1}},
		{"student.keep_attention=[1]", "student.keep_attention", Effect{RedoFromStage, 0}},
		{"plan.mamba_layers=[1, 2]", "plan.mamba_layers", Effect{RedoFromStage, 2}},
		{"plan.rescore.steps=9", "plan.rescore.steps", Effect{RedoFromStage, 2}},
		{"phases.1.learning_rate=1e-4", "phases.1.learning_rate", Effect{RedoFromStage, 1}},
		{"phases.1.logging_steps=3", "phases.1.logging_steps", Effect{Kind: Harmless}},
		{"stages.1.objective=[{type: jsd}]", "stages.1.objective", Effect{RedoFromStage, 2}},
		{"finish.0.max_steps=5", "finish.0.max_steps", Effect{Kind: RedoFinish}},
		{"teacher.cache.max_size=1GiB", "teacher.cache", Effect{Kind: Harmless}}, // the last hidden states, as the teacher gives them
		{"teacher.cache.targets=topk", "teacher.cache", Effect{RedoFromStage, 1}},
	} {
		changed := mustLoad(t, "tiny", []string{"stages=[{}, {gate: {metric: val_kl, max: 9}}]", c.set}, nil)
		found := false
		for _, d := range Diff(base, changed) {
			if d.Key == c.key {
				found = true
				if d.Effect != c.want || d.Old == d.New {
					t.Errorf("%s: got %+v, want %v", c.set, d, c.want)
				}
			}
		}
		if !found {
			t.Errorf("%s: no change of %s in %+v", c.set, c.key, Diff(base, changed))
		}
	}
	// Phases of their own keep train out of three stages, but not out of the
	// short distillations that score for the second.
	own := "stages=[" + strings.Repeat("{phases: [{max_steps: 4, per_device_train_batch_size: 2}]}, ", 3) + "]"
	late := []string{"plan.mamba_layers=[1, 2, 3]", "plan.rescore={method: mmr}", own}
	before, after := mustLoad(t, "quickstart", late, nil), mustLoad(t, "quickstart", append(late, "train.per_device_train_batch_size=4"), nil)
	if d := Diff(before, after); len(d) != 1 || d[0].Effect != (Effect{RedoFromStage, 2}) {
		t.Errorf("a batch that rescoring reads: got %+v", d)
	}
	top := mustLoad(t, "quickstart", []string{"importance.method=mmr", "teacher.cache={targets: topk}"}, nil)
	for set, want := range map[string]Effect{
		"teacher.cache.k=32": {RedoFromStage, 0}, "teacher.cache.path=x": {Kind: Harmless}, "teacher.cache.targets=hidden": {RedoFromStage, 0},
	} {
		if d := Diff(top, mustLoad(t, "quickstart", []string{"importance.method=mmr", "teacher.cache={targets: topk}", set}, nil)); len(d) == 0 || d[0].Effect != want {
			t.Errorf("%s: got %+v, want %v", set, d, want)
		}
	}
	if !(Effect{RedoFromStage, 1}).Worse(Effect{RedoFromStage, 2}) || (Effect{Kind: Harmless}).Worse(Effect{Kind: RedoFinish}) {
		t.Error("effects are not in order")
	}
}

func TestCellsAreRecipesOfTheirOwn(t *testing.T) {
	r := mustLoad(t, "controls", nil, nil)
	cells := r.Cells()
	if len(cells) != 15 || cells[14].LayersOf != "staged-mil-fit" || cells[0].Arm != "staged-mil-fit" || cells[1].Seed != 1 {
		t.Fatalf("got %+v", cells)
	}
	var tokens []int64
	for _, c := range cells {
		cell := mustLoad(t, "controls", c.Set, nil)
		if cell.Ablations != nil || cell.Seed != c.Seed {
			t.Errorf("%s/%d: seed %d, ablations %v", c.Arm, c.Seed, cell.Seed, cell.Ablations)
		}
		n, ok := cell.Tokens()
		if !ok {
			t.Errorf("%s: tokens not known", c.Arm)
		}
		tokens = append(tokens, n)
	}
	for i, n := range tokens {
		if d := n - tokens[0]; d > tokens[0]/100 || -d > tokens[0]/100 {
			t.Errorf("%s trains on %d tokens, %s on %d", cells[i].Arm, n, cells[0].Arm, tokens[0])
		}
	}
	_, err := Load("controls", []string{"ablations.arms.1.set=[{key: student.mixer.init, value: mli}]", "ablations.arms.2.layers_of=nobody"}, nil)
	if err == nil || !strings.Contains(err.Error(), "did you mean mil?") || !strings.Contains(err.Error(), "nobody") {
		t.Errorf("wrong arms: got %v", err)
	}
	_, err = Load("controls", []string{"ablations.arms.3.set=[{key: phases.0.max_tokens, value: 10k}]"}, nil)
	if err == nil || !strings.Contains(err.Error(), "trains on") {
		t.Errorf("unequal tokens: got %v", err)
	}
}

func TestGatesRefuseWhatIsNotANumber(t *testing.T) {
	bound := 0.2
	g := Gate{Metric: "val_kl", Max: &bound}
	nan := 0.0
	nan /= nan
	if !g.Passes(0.2) || g.Passes(0.21) || g.Passes(nan) {
		t.Error("the gate does not keep its bound")
	}
}
