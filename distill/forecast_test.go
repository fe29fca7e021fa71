package distill

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
	"stillhouse/recipes"
)

func TestParametersAreCountedWithoutBuildingTheModel(t *testing.T) {
	for _, tied := range []bool{true, false} {
		for _, kind := range []layers.Kind{layers.KindMamba2, layers.KindMamba1} {
			c := layers.Config{VocabSize: 100, HiddenSize: 32, Intermediate: 64, Heads: 4, KVHeads: 2, HeadDim: 8, RopeTheta: 10000, NormEps: 1e-5, Tied: tied, EOS: 3}
			for range 4 {
				c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
			}
			c.Mixers[1] = MixerSpec{Kind: kind}.mixed(&c)
			c.Mixers[2] = c.Mixers[1]
			m, err := layers.New(c, tensor.F32)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := parametersOf(c); err != nil || got != int64(m.Size()) {
				t.Errorf("tied %v, %s: %d parameters, %v; the model has %d", tied, kind, got, err, m.Size())
			}
		}
	}
}

func TestAForecastPredictsThePlanOfTheRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r := load(t, dir, "importance.method=uniform", "plan.rescore=null", "finish=[]", "eval.contexts=[]",
		"teacher.train.max_steps=3", "teacher.train.tokenizer.vocab_size=270", "eval.tasks=[{name: recall, items: 2}]")
	before, err := NewForecast(r, 0, nil, Quiet{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := Run(t.Context(), r, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range res.Plan.Stages {
		if f := before.Stages[i]; fmt.Sprint(f.Replace) != fmt.Sprint(s.Replace) || f.Strip != s.Strip(4) {
			t.Errorf("stage %d: foretold %v %s, the run did %v %s", i+1, f.Replace, f.Strip, s.Replace, s.Strip(4))
		}
	}
	l, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := before.Stages[1].Parameters, int64(l.Model.Size()); got != want {
		t.Errorf("foretold %d parameters, the student has %d", got, want)
	}
}

// The published run: 13.6 G weights in layers and 0.67 G in the head, 2 operations
// each, the teacher's once and the student's three times, for 214.85 G tokens.
func TestWhatDoesNotFitHasItsArithmetic(t *testing.T) {
	r, err := recipes.Load("apriel-h1", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	pool := layers.NewPool(1)
	defer pool.Close()
	f, err := NewForecast(r, 1<<30, pool, Quiet{})
	if err != nil {
		t.Fatal(err)
	}
	products := 8 * (13.63e9 + 0.67e9) * 214.85e9
	work := (&forecast{Forecast: *f, recipe: r, config: geometryConfig(*r.Teacher.Geometry)}).arithmetic()
	if work < products*0.95 || work > products*1.25 { // SFT has no teacher, attention has products of its own
		t.Errorf("got %g operations, want about %g", work, products)
	}
	if f.Time != nil || !strings.HasPrefix(f.NoTime, "it does not fit; training is about 2.") || !strings.Contains(f.NoTime, " years at this machine's ") {
		t.Errorf("got %q", f.NoTime)
	}
	for s, want := range map[float64]string{59: "59s", 36 * 3600: "36h0m0s", 3 * 24 * 3600: "3 days", 1e11: "3169 years"} {
		if got := longTime(s); got != want {
			t.Errorf("%g seconds: got %s, want %s", s, got, want)
		}
	}
}

func TestAdviceOnMemoryNamesThePhasesOwnKey(t *testing.T) {
	r, err := recipes.Load("quickstart", []string{"phases.1.per_device_train_batch_size=64", "limits.max_memory=700MiB"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := forecastOf(t, r)
	m := f.Memory
	var all, own int
	if _, err := fmt.Sscanf(m.Setting, "--set train.per_device_train_batch_size=%d --set phases.1.per_device_train_batch_size=%d fits: ", &all, &own); err != nil || m.Fits || own <= all {
		t.Errorf("the advice is %q: %v", m.Setting, err)
	}
	if m, err := f.forecastMemory(200 << 20); err != nil || m.Bound() != 200<<20 {
		t.Errorf("a machine with less than the limit gives %d, %v", m.Bound(), err)
	}
}

// TestAForecastOfTargetsIsWhatARunKeeps, and the memory of a pass what its graph takes.
func TestAForecastOfTargetsIsWhatARunKeeps(t *testing.T) {
	for _, cache := range []string{"{targets: hidden}", "{targets: topk, k: 8}"} {
		dir := t.TempDir()
		r := tinyRecipe(t, "teacher.cache="+cache, "teacher.cache.path="+dir, "finish=[]")
		f, err := NewForecast(r, 0, nil, Quiet{})
		if err != nil {
			t.Fatal(err)
		}
		runAll(t, r, Options{})
		var kept int64
		for _, file := range cacheFiles(t, dir) {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			kept += info.Size()
		}
		if f.Targets.Bytes != kept || f.Targets.Kept != kept {
			t.Errorf("%s: foretold %+v, the run kept %d bytes", cache, *f.Targets, kept)
		}
	}
	c, err := ReadConfig("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	m, err := layers.New(c, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	outline, err := layers.Outline(c, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	foretold, err := memoryOfPass(1, outline, 4, 64)
	if err != nil {
		t.Fatal(err)
	}
	b := layers.NewBatch(4, 64, tensor.F32)
	before := emptiedHeap()
	pass, err := layers.NewPass(nil, m, b)
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	if taken := emptiedHeap() - before; !raceEnabled && (foretold < taken*9/10 || foretold > taken*11/10) {
		t.Errorf("foretold %d bytes of a pass, it takes %d", foretold, taken)
	}
	runtime.KeepAlive(m)
}

func TestMicroDistillationLearnsTheSameOnAnyThreads(t *testing.T) {
	var first []float64
	for _, threads := range []int{1, 2, 3} {
		p := layers.NewPool(threads)
		losses, err := MicroDistillation(p, 20)
		p.Close()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = losses
		}
		if fmt.Sprint(losses) != fmt.Sprint(first) || !(losses[19] < losses[0]/2) {
			t.Errorf("%d threads: losses %v, one thread had %v", threads, losses, first)
		}
	}
}
