package distill

import (
	"encoding/json"
	"math"
	"testing"

	"stillhouse/layers"
)

// tiny is the default geometry, small enough for a test.
func tiny(t *testing.T) Geometry {
	t.Helper()
	g, err := GeometryByName("default")
	if err != nil {
		t.Fatal(err)
	}
	g.B, g.T, g.Steps = 2, 40, 3
	return g
}

func benchOn(t *testing.T, g Geometry, threads int) *StepReport {
	t.Helper()
	p := layers.NewPool(threads)
	defer p.Close()
	r, err := BenchStep(p, g)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAStepReportHasEveryKeyAndSaneValues(t *testing.T) {
	b, err := json.Marshal(benchOn(t, tiny(t), 2))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"geometry", "threads", "isa", "loss", "peak_fraction", "useful_gflops", "peak_gflops", "mem_gbps",
		"step_s", "tokens_per_s", "allocs_per_step", "bytes_per_step", "by_op", "memory"} {
		if _, ok := m[k]; !ok {
			t.Errorf("no key %q in %s", k, b)
		}
	}
	for _, k := range []string{"useful_gflops", "peak_gflops", "mem_gbps", "step_s", "tokens_per_s", "loss"} {
		if v, _ := m[k].(float64); !(v > 0) {
			t.Errorf("%s is %v, want more than 0", k, m[k])
		}
	}
	if f, _ := m["peak_fraction"].(float64); !(f > 0 && f < 1.05) {
		t.Errorf("peak_fraction is %v, want a share", m["peak_fraction"])
	}
	if m["geometry"] != "default" || m["threads"] != 2.0 || m["isa"] != layers.ISA() {
		t.Errorf("geometry %v, threads %v, isa %v", m["geometry"], m["threads"], m["isa"])
	}
}

func TestTheProfileOfAStepAddsUpToItsTimeAndItsArithmetic(t *testing.T) {
	g := tiny(t)
	r := benchOn(t, g, 1)
	seconds, flops, share := 0.0, 0.0, 0.0
	for _, o := range r.ByOp {
		if o.Seconds < 0 {
			t.Errorf("%s %s %s took %g s", o.Graph, o.Op, o.Pass, o.Seconds)
		}
		if o.Graph == "rest" && o.OfStep > 0.5 { // copying a batch and 300 nodes of the machine are not half a step
			t.Errorf("no operation accounts for %g of the step", o.OfStep)
		}
		seconds, flops, share = seconds+o.Seconds, flops+o.Flops, share+o.OfStep
	}
	if math.Abs(seconds/r.StepSeconds-1) > 1e-6 || math.Abs(share-1) > 1e-6 {
		t.Errorf("operations take %g s, %g of a step of %g s", seconds, share, r.StepSeconds)
	}
	// Every operation that counts must be one that ran under that name.
	student := g.Student()
	want := layers.StepArithmetic(&g.Model, &student, g.B*g.T, g.T)
	if math.Abs(flops/want-1) > 1e-9 {
		t.Errorf("operations did %g useful operations, the step asks for %g", flops, want)
	}
}

func TestTheLossOfABenchIsTheSameOnOneThreadAndTwo(t *testing.T) {
	one, two := benchOn(t, tiny(t), 1), benchOn(t, tiny(t), 2)
	if math.Float64bits(one.Loss) != math.Float64bits(two.Loss) {
		t.Errorf("loss %v on one thread, %v on two", one.Loss, two.Loss)
	}
	if one.Threads != 1 || two.Threads != 2 {
		t.Errorf("threads %d and %d", one.Threads, two.Threads)
	}
}

func TestTheMemoryOfAStepIsPartedWithoutRemainder(t *testing.T) {
	g := tiny(t)
	m := benchOn(t, g, 1).Memory
	student := g.Student()
	s, err := layers.New(student, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Optimizer, int64(3*4*s.Size()); got != want {
		t.Errorf("optimizer %d bytes, want gradient and two moments of %d weights: %d", got, s.Size(), want)
	}
	if m.Activations <= 0 || m.Scratch <= 0 || m.PlannedPeak <= 0 {
		t.Errorf("a part is missing: %+v", m)
	}
	if m.Peak > 0 && m.Peak < m.Weights+m.Optimizer+m.Activations+m.Scratch {
		t.Errorf("the parts are more than the process ever held: %+v", m)
	}
}

func TestAnUnknownGeometryIsAnErrorThatNamesTheKnownOnes(t *testing.T) {
	if _, err := GeometryByName("huge"); err == nil {
		t.Fatal("no error")
	}
	g := tiny(t)
	g.B = 0
	if _, err := BenchStep(nil, g); err == nil {
		t.Error("no error for a batch of 0")
	}
}

// BenchmarkStep is one training step of the default geometry on all threads.
func BenchmarkStep(b *testing.B) {
	g, err := GeometryByName("default")
	if err != nil {
		b.Fatal(err)
	}
	p := layers.NewPool(0)
	defer p.Close()
	t, _, err := g.trial(p)
	if err != nil {
		b.Fatal(err)
	}
	defer t.Close()
	student := g.Student()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := t.Train(); err != nil {
			b.Fatal(err)
		}
	}
	useful := layers.StepArithmetic(&g.Model, &student, g.B*g.T, g.T) * float64(b.N) / b.Elapsed().Seconds() / 1e9
	b.ReportMetric(useful, "GFLOP/s")
	b.ReportMetric(100*useful/layers.PeakFlops(p), "%peak")
}
