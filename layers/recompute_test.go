package layers

import (
	"runtime"
	"testing"

	"stillhouse/layers/tensor"
)

// trainStep returns a step in which the parameters that trains says yes to have
// gradients, by name.
func trainStep(t testing.TB, p *Pool, c StepConfig, trains func(*Param) bool) (*Step, map[string]*tensor.Tensor) {
	t.Helper()
	grads := map[string]*tensor.Tensor{}
	c.Grad = func(q *Param) *tensor.Tensor {
		if !trains(q) {
			return nil
		}
		if grads[q.Name] == nil {
			grads[q.Name] = tensor.New(q.Value.DType(), q.Value.Shape()...)
		}
		return grads[q.Name]
	}
	s, err := NewStep(p, c)
	if err != nil {
		t.Fatal(err)
	}
	return s, grads
}

func TestRecomputedBlocksGiveTheSameBits(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	kl := Objective{{Type: ReverseKL, Weight: 0.7, Temperature: 2}, {Type: CrossEntropy, Weight: 0.3}}
	all := func(*Param) bool { return true }
	mixerOf := func(m *Model, l int) func(*Param) bool {
		set := map[*Param]bool{}
		for _, q := range m.Blocks[l].Mixer.Params() {
			set[q] = true
		}
		return func(q *Param) bool { return set[q] }
	}
	for _, c := range []struct {
		name, kinds string
		objective   Objective
		change      func(*Config)
		layer       int // that alone trains; -1: all
		gates       bool
	}{
		{"attention", "aaaa", kl, nil, -1, false},
		{"mamba2", "2222", kl, nil, -1, false},
		{"mamba1", "1111", kl, nil, -1, false},
		{"a mix", "a21a2", kl, nil, -1, false},
		{"one layer trains", "a2a2", kl, nil, 1, false},
		{"windows of two sizes and norms of heads", "aaa", kl, func(c *Config) {
			c.QKNorm, c.Window = true, 5
			c.Mixers[1].Full = true
		}, -1, false},
		{"scaled residuals and biases", "a2a", kl, func(c *Config) { c.ResidualScale, c.QKVBias, c.MLPBias = 0.22, true, true }, -1, false},
		{"hidden and mixer terms", "a2a2", append(Objective{{Type: HiddenState, Weight: 0.2}, {Type: MixerOutput, Weight: 0.3}}, kl...), nil, -1, false},
		{"a hidden term below the top alone", "a2a2", Objective{{Type: HiddenState, Weight: 1, Layers: []int{1}}}, nil, 1, false},
		{"gates", "a2a", Objective{{Type: CrossEntropy, Weight: 1}}, nil, -1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			teacher, err := New(tinyConfig("aaaaa"[:len(c.kinds)]), tensor.F32)
			if err != nil {
				t.Fatal(err)
			}
			teacher.Init(2)
			config := tinyConfig(c.kinds)
			if c.change != nil {
				c.change(&config)
			}
			student, err := New(config, tensor.F32)
			if err != nil {
				t.Fatal(err)
			}
			student.Init(3)
			trains := all
			if c.layer >= 0 {
				trains = mixerOf(student, c.layer)
			}
			b := tinyBatch(student, 2, 19, true)
			run := func(recompute bool) (loss float64, gates [][]float64, grads map[string]*tensor.Tensor) {
				s, grads := trainStep(t, p, StepConfig{Student: student, Teacher: teacher, Batch: b, Objective: c.objective,
					Recompute: recompute, MixerGates: c.gates}, trains)
				defer s.Close()
				for range 2 { // a step of two micro-batches
					if err := s.Run(); err != nil {
						t.Fatal(err)
					}
				}
				for l := range student.Blocks {
					if c.gates {
						gates = append(gates, s.GateGrads(l))
					}
				}
				return s.Loss(), gates, grads
			}
			wantLoss, wantGates, want := run(false)
			loss, gates, got := run(true)
			if loss != wantLoss || loss == 0 {
				t.Errorf("loss %v, recomputed %v", wantLoss, loss)
			}
			for l := range wantGates {
				for i, g := range wantGates[l] {
					if gates[l][i] != g {
						t.Errorf("gate %d: %v, recomputed %v", l, wantGates[l], gates[l])
					}
				}
			}
			if len(got) != len(want) || len(got) == 0 {
				t.Fatalf("%d gradients, recomputed %d", len(want), len(got))
			}
			for name, g := range want {
				if !tensor.Equal(g, got[name]) {
					t.Errorf("the gradient of %s differs", name)
				}
			}
		})
	}
}

// TestRecomputedBlocksTakeTheMemoryOfOneAndTheirInputs: more of them cost no more
// than what they keep, whatever is in them, and nothing more every step.
func TestRecomputedBlocksTakeTheMemoryOfOneAndTheirInputs(t *testing.T) {
	const b, tokens = 2, 256
	for _, kind := range []string{"a", "2", "1"} {
		measure := func(layers int, recompute bool) (planned, heap int) {
			kinds := ""
			for range layers {
				kinds += kind
			}
			m := tinyModel(t, kinds, tensor.F32)
			grads := map[*Param]*tensor.Tensor{}
			for _, q := range m.Params() {
				grads[q] = tensor.New(tensor.F32, q.Value.Shape()...)
			}
			batch := tinyBatch(m, b, tokens, false)
			before := liveBytes()
			s, err := NewStep(nil, StepConfig{Student: m, Batch: batch, Recompute: recompute,
				Objective: Objective{{Type: CrossEntropy, Weight: 1}}, Grad: func(q *Param) *tensor.Tensor { return grads[q] }})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			heap = liveBytes() - before
			planned = s.Memory().Planned
			s.Close()
			runtime.KeepAlive(grads)
			runtime.KeepAlive(m)
			return planned, heap
		}
		p4, h4 := measure(4, true)
		p12, h12 := measure(12, true)
		kept := 8 * b * tokens * tinyConfig(kind).HiddenSize * 4
		if got := p12 - p4; got != kept {
			t.Errorf("%s: 8 more blocks take %d bytes of plan, want their inputs' %d", kind, got, kept)
		}
		const nodes = 8 * 96 << 10 // 30 of Gorgonia's a block, whatever the batch
		if got := h12 - h4; got > kept+nodes {
			t.Errorf("%s: 8 more blocks take %d bytes of heap, want little more than their inputs' %d", kind, got, kept)
		}
		if _, whole := measure(12, false); whole < 2*h12 {
			t.Errorf("%s: 12 blocks take %d bytes, recomputed %d: want less than half", kind, whole, h12)
		}
	}
}

func liveBytes() int {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int(s.HeapAlloc)
}
