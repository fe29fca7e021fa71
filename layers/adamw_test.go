package layers

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"stillhouse/layers/tensor"
)

// TestZeroGradGivesTheBitsOfClearing takes three steps of two micro-batches each,
// over gradients that ZeroGrad discards and over ones that are cleared: with a
// head that is the embedding, whose gradient has two sources, and one that is
// not; with blocks that run twice.
func TestZeroGradGivesTheBitsOfClearing(t *testing.T) {
	run := func(tied, recompute bool, zero func(*AdamW, []*Param)) (bits []uint64) {
		c := tinyConfig("a21")
		c.Tied = tied
		m, err := New(c, tensor.F32)
		if err != nil {
			t.Fatal(err)
		}
		m.Init(1)
		var ts []Trainable
		for _, p := range m.Params() {
			ts = append(ts, Trainable{Param: p, LRScale: 1})
		}
		opt := NewAdamW(nil, AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}, ts)
		batch := tinyBatch(m, 2, 12, true)
		step, err := NewStep(nil, StepConfig{Student: m, Batch: batch, Grad: opt.Grad, Recompute: recompute,
			Objective: Objective{{Type: CrossEntropy, Weight: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		defer step.Close()
		for range 3 {
			zero(opt, m.Params())
			for micro := range 2 {
				ids := tensor.Data[int32](batch.IDs)
				ids[micro] = (ids[micro] + 1) % int32(c.VocabSize)
				if err := step.Run(); err != nil {
					t.Fatal(err)
				}
			}
			norm := opt.GradNorm()
			opt.Step(1e-2, norm, 1)
			bits = append(bits, math.Float64bits(norm))
		}
		for _, n := range opt.State() {
			for _, v := range tensor.Data[float32](n.Value) {
				bits = append(bits, uint64(math.Float32bits(v)))
			}
		}
		return bits
	}
	discard := func(opt *AdamW, _ []*Param) { opt.ZeroGrad() }
	clearing := func(opt *AdamW, ps []*Param) {
		for _, p := range ps {
			opt.Grad(p).Zero()
		}
	}
	for _, tied := range []bool{true, false} {
		for _, recompute := range []bool{true, false} {
			t.Run(fmt.Sprintf("tied=%v recompute=%v", tied, recompute), func(t *testing.T) {
				if !slices.Equal(run(tied, recompute, discard), run(tied, recompute, clearing)) {
					t.Error("norms or moments differ from those over cleared gradients")
				}
			})
		}
	}
}

func TestAGradientThatNothingWasAddedToCountsAsZero(t *testing.T) {
	m := tinyModel(t, "a", tensor.F32)
	p := m.Norm
	opt := NewAdamW(nil, AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8}, []Trainable{{Param: p, LRScale: 1}})
	before := p.Value.Clone()
	fillOnes(opt.Grad(p)) // of an earlier step
	opt.ZeroGrad()
	for _, g := range opt.Gradients(m.Params()) {
		if !tensor.Equal(g.Value, tensor.New(tensor.F32, p.Value.Shape()...)) {
			t.Errorf("the gradient of %s is %v, want zeros", g.Name, tensor.Data[float32](g.Value))
		}
	}
	fillOnes(opt.Grad(p))
	opt.ZeroGrad()
	if norm := opt.GradNorm(); norm != 0 {
		t.Errorf("got norm %v, want 0", norm)
	}
	opt.Step(1, 0, 1)
	if !tensor.Equal(p.Value, before) {
		t.Error("a gradient of zero moved its weight")
	}
}
