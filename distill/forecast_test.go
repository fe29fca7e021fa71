package distill

import (
	"fmt"
	"os"
	"path/filepath"
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

func TestAdviceOnMemoryNamesThePhasesOwnKey(t *testing.T) {
	r, err := recipes.Load("quickstart", []string{"phases.1.per_device_train_batch_size=64", "limits.max_memory=300MiB"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig("embedded:teacher")
	if err != nil {
		t.Fatal(err)
	}
	m := forecastMemory(r, &c, 1_500_000, 0)
	want := "--set train.per_device_train_batch_size=5 --set phases.1.per_device_train_batch_size=5 fits: "
	if m.Fits || len(m.Setting) < len(want) || m.Setting[:len(want)] != want {
		t.Errorf("the advice is %q, want %q…", m.Setting, want)
	}
	if m := forecastMemory(r, &c, 1_500_000, 200<<20); m.Bound() != 200<<20 {
		t.Errorf("a machine with less than the limit gives %d", m.Bound())
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
	b := layers.NewBatch(4, 64, tensor.F32)
	pass, err := layers.NewPass(nil, m, b)
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	if got, want := memoryOfPass(&c, 4*64), int64(pass.Memory()); got < want*9/10 || got > want*11/10 {
		t.Errorf("foretold %d bytes of a pass, its graph takes %d", got, want)
	}
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
