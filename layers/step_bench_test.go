package layers

import (
	"fmt"
	"sort"
	"testing"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/tensor"
)

// benchConfig is the geometry that stillhouse bench step measures by default;
// the last mamba mixers are Mamba-2.
func benchConfig(mamba int) Config {
	c := Config{VocabSize: 512, HiddenSize: 256, Intermediate: 688, Heads: 8, KVHeads: 4, HeadDim: 32, RopeTheta: 10000, NormEps: 1e-5}
	for l := range 8 {
		m := Mixed{Kind: KindAttention}
		if l >= 8-mamba {
			m2 := Mamba2For(&c)
			m = Mixed{Kind: KindMamba2, Mamba2: &m2}
		}
		c.Mixers = append(c.Mixers, m)
	}
	return c
}

func BenchmarkStep(b *testing.B) {
	p := NewPool(0)
	teacher, err := New(benchConfig(0), tensor.F32)
	if err != nil {
		b.Fatal(err)
	}
	student, err := New(benchConfig(4), tensor.F32)
	if err != nil {
		b.Fatal(err)
	}
	teacher.Init(1)
	student.Init(2)
	var ts []Trainable
	for _, q := range student.Params() {
		ts = append(ts, Trainable{Param: q, LRScale: 1})
	}
	opt := NewAdamW(p, AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}, ts)
	s, err := NewStep(p, StepConfig{Student: student, Teacher: teacher, Batch: tinyBatch(student, 8, 256, false), Grad: opt.Grad,
		Objective: Objective{{Type: ReverseKL, Weight: 1}}})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Run(); err != nil {
		b.Fatal(err)
	}
	s.ResetTimes()
	b.ReportAllocs()
	for b.Loop() {
		opt.ZeroGrad()
		if err := s.Run(); err != nil {
			b.Fatal(err)
		}
		opt.Step(1e-4, opt.GradNorm(), 1)
	}
	useful := StepArithmetic(&teacher.Config, &student.Config, 2048, 256) * float64(b.N) / b.Elapsed().Seconds() / 1e9
	peak := gemm.Peak(p)
	b.ReportMetric(useful, "GFLOP/s")
	b.ReportMetric(100*useful/peak, "%peak")
	t, st := s.Times()
	for i, times := range [][]autodiff.OpTime{t, st} {
		sort.Slice(times, func(i, j int) bool { return times[i].Forward+times[i].Backward > times[j].Forward+times[j].Backward })
		for _, o := range times {
			b.Log([]string{"teacher", "student"}[i], fmt.Sprintf("%-12s %7.2f ms forward %7.2f ms backward", o.Name, o.Forward.Seconds()*1e3/float64(b.N), o.Backward.Seconds()*1e3/float64(b.N)))
		}
	}
}
