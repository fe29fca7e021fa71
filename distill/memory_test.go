package distill

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

// memoryCase is a phase whose memory is planned and then taken.
type memoryCase struct {
	name    string
	kinds   string // of the teacher's layers
	replace []int
	spec    MixerSpec
	model   func(c *layers.Config)
	trains  string
	terms   []layers.Term
	phase   func(ph *Phase)
	threads int
	cache   *recipes.TeacherCache
}

// TestAPlanIsWhatATrainerTakes over mixers, objectives, what trains, batches and
// threads: weights, optimizer and activations to the byte; scratch, which is the
// rest of the heap that the trainer brings, to 3 % and what the graphs' own books
// vary by.
func TestAPlanIsWhatATrainerTakes(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector keeps memory of its own")
	}
	again := func(ph *Phase) { ph.Recompute = true }
	mamba1 := MixerSpec{Kind: layers.KindMamba1, Init: InitMIL}
	for _, c := range []memoryCase{
		{name: "attention", kinds: "aaa", trains: "all"},
		{name: "attention again", kinds: "aaa", trains: "all", phase: again},
		{name: "mamba2", kinds: "aaa", replace: []int{0, 1, 2}, spec: milMamba2, trains: "all"},
		{name: "mamba2 again", kinds: "aaa", replace: []int{0, 1, 2}, spec: milMamba2, trains: "all", phase: again},
		{name: "mamba1", kinds: "aaa", replace: []int{0, 1, 2}, spec: mamba1, trains: "all"},
		{name: "mamba1 again", kinds: "aaa", replace: []int{1}, spec: mamba1, trains: "all", phase: again},
		{name: "new mixers", kinds: "aaaa", replace: []int{1, 3}, spec: milMamba2, trains: "new_mixers"},
		{name: "new mixers again", kinds: "aaaa", replace: []int{1, 3}, spec: milMamba2, trains: "new_mixers", phase: again},
		{name: "late mixer, three threads", kinds: "aaaa", replace: []int{3}, spec: milMamba2, trains: "new_mixers", threads: 3},
		{name: "one weight", kinds: "aaa", replace: []int{1}, spec: milMamba2, trains: "*.down_proj.weight"},
		{name: "hybrid teacher", kinds: "a2a1", replace: []int{2}, spec: milMamba2, trains: "mixers"},
		{name: "labels alone", kinds: "aa", trains: "all", terms: []layers.Term{{Type: layers.CrossEntropy, Weight: 1}}},
		{name: "two terms", kinds: "aa", trains: "all", terms: []layers.Term{{Type: layers.ForwardKL, Weight: 1, Temperature: 2}, {Type: layers.CrossEntropy, Weight: 0.1}}},
		{name: "jsd", kinds: "aa", trains: "all", terms: []layers.Term{{Type: layers.JSD, Weight: 1, Beta: 0.5, Temperature: 3}}},
		{name: "hidden", kinds: "aaa", replace: []int{1}, spec: milMamba2, trains: "new_mixers",
			terms: []layers.Term{{Type: layers.ReverseKL, Weight: 1}, {Type: layers.HiddenState, Weight: 1, Cosine: true}}},
		{name: "mixer outputs", kinds: "aaa", replace: []int{1, 2}, spec: milMamba2, trains: "new_mixers", terms: []layers.Term{{Type: layers.MixerOutput, Weight: 1}}},
		{name: "batch of one", kinds: "aaa", replace: []int{1}, spec: milMamba2, trains: "all", phase: func(ph *Phase) { ph.B = 1 }},
		{name: "batch of eight, accumulated", kinds: "aaa", replace: []int{1}, spec: milMamba2, trains: "all", phase: func(ph *Phase) { ph.B, ph.Accumulate = 8, 3 }},
		{name: "biases, norms, untied", kinds: "aaa", replace: []int{1}, spec: milMamba2, trains: "all",
			model: func(c *layers.Config) {
				c.QKVBias, c.OutBias, c.MLPBias, c.QKNorm, c.Tied, c.ResidualScale, c.EmbedScale = true, true, true, true, false, 0.5, 2
			}},
		{name: "kept hidden states", kinds: "aaa", replace: []int{1}, spec: milMamba2, trains: "all", cache: &recipes.TeacherCache{Targets: "hidden"}},
		{name: "kept logits", kinds: "aaa", replace: []int{1}, spec: milMamba2, trains: "all", cache: &recipes.TeacherCache{Targets: "topk", K: 16}},
	} {
		t.Run(c.name, c.run)
	}
}

func (c memoryCase) run(t *testing.T) {
	teacher := small(t, c.kinds, tensor.F32, func(m *layers.Config) {
		m.HiddenSize, m.Intermediate, m.HeadDim, m.VocabSize = 64, 96, 16, 512
		if c.model != nil {
			c.model(m)
		}
	})
	student := hybrid(t, teacher, c.spec, c.replace...)
	ph := smallPhase(c.trains, c.replace, c.terms...)
	ph.B, ph.T = 3, 100
	if c.trains == "mixers" {
		ph.Trainable = []Group{{matcher("mixers", nil, []int{1, 2, 3}), 1}}
	}
	if c.phase != nil {
		c.phase(&ph)
	}
	p := layers.NewPool(max(1, c.threads))
	defer p.Close()

	onPaper, err := layers.Outline(teacher.Config, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	its := onPaper.Share()
	for _, l := range c.replace {
		its.SetMixer(l, c.spec.mixed(&teacher.Config))
	}
	planned := ph
	planned.Targets = targetsOnPaper(c.cache, onPaper)
	plan, err := planTrainer(p.Threads(), onPaper, its, planned)
	if err != nil {
		t.Fatal(err)
	}

	if c.cache != nil {
		c.cache.Path = t.TempDir()
		if ph.Targets, err = OpenTargets(c.cache, teacher, func(s string) { t.Error(s) }); err != nil {
			t.Fatal(err)
		}
	}
	held := weightBytes(teacher, student)
	before := emptiedHeap()
	tr, err := NewTrainer(p, teacher, student, ph, randomTokens(512), Position{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	if _, err := tr.Train(); err != nil && !errors.Is(err, errNoGradient) { // a student that is the teacher has run all the same
		t.Fatal(err)
	}
	got := memoryOf(tr, teacher, emptiedHeap()-before+held, plan).MemoryParts
	if got.Weights != plan.Weights || got.Optimizer != plan.Optimizer || got.Activations != plan.Activations {
		t.Errorf("planned %+v, taken %+v", plan, got)
	}
	want := plan.Scratch - int64(layers.ProductScratch(p.Threads())) // which emptiedHeap empties
	if slack := want*3/100 + int64(tr.nodes())<<10; got.Scratch < want-slack || got.Scratch > want+slack {
		t.Errorf("planned %d bytes of scratch, taken %d: %+d, more than %d", want, got.Scratch, got.Scratch-want, slack)
	}
	runtime.KeepAlive(student)
}

// emptiedHeap is liveHeap without what sync.Pools hold.
func emptiedHeap() int64 {
	runtime.GC()
	runtime.GC()
	return liveHeap()
}

// TestThePeakOfAStepIsWithinATenthOfItsPlan, as the kernel counts it, for a
// process that does nothing else. What it does without blocks again is the larger.
func TestThePeakOfAStepIsWithinATenthOfItsPlan(t *testing.T) {
	const asked = "STILLHOUSE_TEST_MEMORY_OF_A_STEP"
	g, err := GeometryByName("default")
	if err != nil {
		t.Fatal(err)
	}
	g.B, g.Steps = 6, 1
	if again := os.Getenv(asked); again != "" {
		g.CheckpointBlocks = again == "again"
		if err := json.NewEncoder(os.Stdout).Encode(benchOn(t, g, 2).Memory); err != nil {
			t.Fatal(err)
		}
		os.Exit(0)
	}
	if raceEnabled || peakRSS() == 0 {
		t.Skip("the race detector keeps memory of its own; and not every system knows the peak")
	}
	for _, how := range []string{"once", "again"} {
		c := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		c.Env = append(os.Environ(), asked+"="+how)
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var m MemoryReport
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		t.Logf("%s: %+v", how, m)
		if m.OfPlanned < 0.9 || m.OfPlanned > 1.1 {
			t.Errorf("%s: the peak is %d bytes, planned were %d: %.3f of it", how, m.Peak, m.PlannedPeak, m.OfPlanned)
		}
	}
}

// TestANeedGrowsWithTheBatch, but for samples whose batches have other bounds, and shrinks when blocks run again, for every phase of
// the recipes that come with the binary and name no model of the Hub.
func TestANeedGrowsWithTheBatch(t *testing.T) {
	for _, name := range []string{"quickstart", "tiny", "teacher"} {
		r, err := recipes.Load(name, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		f := forecastOf(t, r)
		p := paper{threads: 2, known: map[sheet]MemoryParts{}}
		if len(f.steps) == 0 {
			t.Errorf("%s: nothing trains", name)
		}
		for i := range f.steps {
			s := &f.steps[i]
			last := int64(0)
			for b := 1; b <= 8; b++ {
				need, again := p.parts(s, b, false), p.parts(s, b, true)
				if need.Total() < last || need.Total() == last && s.sample == nil || again.Total() > need.Total() {
					t.Errorf("%s, %s: %d bytes at batch %d, %d with blocks again, %d at the batch before", name, s.name, need.Total(), b, again.Total(), last)
				}
				last = need.Total()
			}
		}
	}
}

// forecastOf is a forecast of a recipe without a run.
func forecastOf(t *testing.T, r *recipes.Recipe) *forecast {
	t.Helper()
	f := &forecast{recipe: r, form: planForm(r.Plan), threads: 2}
	err := f.readTeacher()
	if err == nil && !r.TeacherOnly() {
		if err = f.count(nil, 0); err == nil {
			err = f.stages()
		}
	}
	if err == nil {
		f.Memory, err = f.forecastMemory(0)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f
}
