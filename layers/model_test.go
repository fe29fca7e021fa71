package layers

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"stillhouse/layers/tensor"
)

// tinyConfig is a model of the given layers: a for attention, 2 and 1 for the
// Mamba mixers.
func tinyConfig(kinds string) Config {
	c := Config{VocabSize: 23, HiddenSize: 16, Intermediate: 24, Heads: 4, KVHeads: 2, HeadDim: 4,
		RopeTheta: 10000, NormEps: 1e-5, Tied: true, MaxPositions: 256}
	for _, k := range kinds {
		m2, m1 := Mamba2For(&c), Mamba1For(&c)
		m2.Chunk = 8
		switch k {
		case '2':
			c.Mixers = append(c.Mixers, Mixed{Kind: KindMamba2, Mamba2: &m2})
		case '1':
			c.Mixers = append(c.Mixers, Mixed{Kind: KindMamba1, Mamba1: &m1})
		default:
			c.Mixers = append(c.Mixers, Mixed{Kind: KindAttention})
		}
	}
	return c
}

func tinyModel(t testing.TB, kinds string, dtype tensor.DType) *Model {
	t.Helper()
	m, err := New(tinyConfig(kinds), dtype)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(1)
	r := rand.New(rand.NewPCG(5, 5))
	for _, p := range m.Params() { // larger than at the start of training, so that differences show
		if p.Decays() {
			Normal(p.Value, 0.3, r)
		}
	}
	return m
}

// tinyBatch holds random tokens; with documents each row is cut in three.
func tinyBatch(m *Model, b, t int, documents bool) *Batch {
	x := NewBatch(b, t, m.Embed.Value.DType())
	r := rand.New(rand.NewPCG(9, 9))
	ids, labels, start := tensor.Data[int32](x.IDs), tensor.Data[int32](x.Labels), tensor.Data[int32](x.Start)
	for i := range ids {
		ids[i] = int32(r.IntN(m.Config.VocabSize))
		if documents {
			start[i] = int32(i % t / (t/3 + 1) * (t/3 + 1))
		}
	}
	for i := range labels {
		labels[i] = -1
		if i%t < t-1 && (i+1)%t != int(start[(i+1)]) {
			labels[i] = ids[i+1]
		}
	}
	fill(x.Weight, func(i int) float64 {
		if labels[i] < 0 || i%5 == 3 {
			return 0
		}
		return 1
	})
	x.ScaleWeight(1 / x.TotalWeight())
	return x
}

func TestAModelsGradientsMatchFiniteDifferences(t *testing.T) {
	for _, kinds := range []string{"aa", "a2", "21"} {
		t.Run(kinds, func(t *testing.T) {
			m, teacher := tinyModel(t, kinds, tensor.F64), tinyModel(t, "aa", tensor.F64)
			b := tinyBatch(m, 2, 19, true)
			grads := map[*Param]*tensor.Tensor{}
			for _, p := range m.Params() {
				grads[p] = tensor.New(tensor.F64, p.Value.Shape()...)
			}
			s, err := NewStep(nil, StepConfig{Student: m, Teacher: teacher, Batch: b, Objective: Objective{
				{Type: ReverseKL, Weight: 0.7, Temperature: 2}, {Type: CrossEntropy, Weight: 0.5},
				{Type: HiddenState, Weight: 0.1}, {Type: HiddenState, Weight: 0.2, Cosine: true, Layers: []int{1}},
				{Type: MixerOutput, Weight: 0.3, Layers: []int{1}},
			}, Grad: func(p *Param) *tensor.Tensor { return grads[p] }})
			if err != nil {
				t.Fatal(err)
			}
			loss := func() float64 {
				if err := s.Run(); err != nil {
					t.Fatal(err)
				}
				return s.Loss()
			}
			loss()
			got := map[*Param][]float64{}
			for p, g := range grads {
				got[p] = append([]float64(nil), tensor.Data[float64](g)...)
			}
			r := rand.New(rand.NewPCG(3, 3))
			for _, p := range m.Params() {
				w := tensor.Data[float64](p.Value)
				for range 4 {
					j := r.IntN(len(w))
					const h = 1e-5
					v := w[j]
					w[j] = v + h
					up := loss()
					w[j] = v - h
					down := loss()
					w[j] = v
					num := (up - down) / (2 * h)
					if d := math.Abs(num - got[p][j]); d > 1e-6*(math.Abs(num)+1e-2) {
						t.Errorf("%s[%d]: got %.8g, differences say %.8g", p.Name, j, got[p][j], num)
					}
				}
			}
		})
	}
}

func TestTheDecoderEqualsTheFullForward(t *testing.T) {
	for _, kinds := range []string{"aa", "22", "11", "a2a1"} {
		for _, step := range []int{1, 3, 8, 21} {
			t.Run(fmt.Sprint(kinds, " by ", step), func(t *testing.T) {
				decodeAgainstForward[float64](t, tinyModel(t, kinds, tensor.F64), step, 1e-10)
				decodeAgainstForward[float32](t, tinyModel(t, kinds, tensor.F32), step, 1e-4)
			})
		}
	}
}

func decodeAgainstForward[T tensor.Float](t *testing.T, m *Model, step int, tolerance float64) {
	const b, n = 2, 21
	batch := tinyBatch(m, b, n, false)
	full, err := Logits(nil, m, batch)
	if err != nil {
		t.Fatal(err)
	}
	ids, want, v := tensor.Data[int32](batch.IDs), tensor.Data[T](full), m.Config.VocabSize
	d := NewDecoder(nil, m, b, 4) // the cache has to grow
	for range 2 {                 // the second time round shows that Reset forgets
		for at := 0; at < n; at += step {
			k := min(step, n-at)
			var part []int32
			for i := range b {
				part = append(part, ids[i*n+at:i*n+at+k]...)
			}
			got := tensor.Data[T](d.Extend(part))
			for i := range b {
				for j := range v {
					if x, y := float64(got[i*v+j]), float64(want[(i*n+at+k-1)*v+j]); math.Abs(x-y) > tolerance {
						t.Fatalf("%T position %d: got logit %v, full forward %v", want[0], at+k-1, x, y)
					}
				}
			}
		}
		d.Reset()
	}
}

func TestADocumentStartsAfreshInTheMiddleOfARow(t *testing.T) {
	for _, kinds := range []string{"aa", "22", "11", "a2a1"} {
		m := tinyModel(t, kinds, tensor.F64)
		packed := tinyBatch(m, 1, 20, false)
		for i := 9; i < 20; i++ {
			tensor.Data[int32](packed.Start)[i] = 9
		}
		alone := NewBatch(1, 11, tensor.F64)
		copy(tensor.Data[int32](alone.IDs), tensor.Data[int32](packed.IDs)[9:])
		a, err := Logits(nil, m, packed)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Logits(nil, m, alone)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range tensor.Data[float64](b) {
			if got := tensor.Data[float64](a)[9*23+i]; math.Abs(got-want) > 1e-11 {
				t.Fatalf("%s: entry %d: got %v in the packed row, %v alone", kinds, i, got, want)
			}
		}
	}
}

func TestTeacherAndStudentShareWhatDoesNotTrain(t *testing.T) {
	teacher := tinyModel(t, "aaa", tensor.F32)
	student := teacher.Share()
	student.SetMixer(1, tinyConfig("a2a").Mixers[1])
	student.Own(func(p *Param) bool { return p == student.Norm })
	if teacher.Config.Strip() != "AAA" || student.Config.Strip() != "AMA" {
		t.Errorf("got %s and %s", teacher.Config.Strip(), student.Config.Strip())
	}
	own := map[string]bool{"model.norm.weight": true}
	for _, p := range student.Blocks[1].Mixer.Params() {
		own[p.Name] = true
	}
	byName := map[string]*Param{}
	for _, p := range teacher.Params() {
		byName[p.Name] = p
	}
	for _, p := range student.Params() {
		q := byName[p.Name]
		shared := q != nil && tensor.SharesMemory(p.Value, q.Value)
		if shared == own[p.Name] {
			t.Errorf("%s: shares memory: %v, own: %v", p.Name, shared, own[p.Name])
		}
	}
}

func TestGateGradientsAreTheLossesSlopeInEachMixersOutput(t *testing.T) {
	m := tinyModel(t, "aaa", tensor.F64)
	b := tinyBatch(m, 2, 11, false)
	s, err := NewStep(nil, StepConfig{Student: m, Batch: b, MixerGates: true, Objective: Objective{{Type: CrossEntropy, Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	for l := range 3 {
		var got float64
		for _, g := range s.GateGrads(l) {
			got += g
		}
		at := func(v float64) float64 {
			s.SetGate(l, v, false)
			if err := s.RunStudent(); err != nil {
				t.Fatal(err)
			}
			return s.Loss()
		}
		num := (at(1+1e-5) - at(1-1e-5)) / 2e-5
		at(1)
		if math.Abs(got-num) > 1e-8 {
			t.Errorf("layer %d: got %v, differences say %v", l, got, num)
		}
	}
}

func TestAnObjectiveThatMovesNothingIsAnError(t *testing.T) {
	m := tinyModel(t, "aa", tensor.F32)
	g := tensor.New(tensor.F32, m.Norm.Value.Size())
	_, err := NewStep(nil, StepConfig{Student: m, Teacher: tinyModel(t, "aa", tensor.F32), Batch: tinyBatch(m, 1, 5, false),
		Objective: Objective{{Type: MixerOutput, Weight: 1, Layers: []int{0}}},
		Grad: func(p *Param) *tensor.Tensor {
			if p == m.Norm {
				return g
			}
			return nil
		}})
	if err == nil {
		t.Error("a mixer loss that cannot reach the last norm was accepted")
	}
}

// TestAStepOnPaperHasTheMemoryOfARealOne, of both graphs, and does not run.
func TestAStepOnPaperHasTheMemoryOfARealOne(t *testing.T) {
	c := Config{VocabSize: 11, HiddenSize: 8, Intermediate: 12, Heads: 2, KVHeads: 1, HeadDim: 4, RopeTheta: 10000, NormEps: 1e-6,
		Mixers: []Mixed{{Kind: KindAttention}, {Kind: KindAttention}}}
	real, err := New(c, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	outline, err := Outline(c, tensor.F32)
	if err != nil {
		t.Fatal(err)
	}
	build := func(p *Pool, m *Model) *Step {
		grads := NewAdamW(p, AdamWConfig{}, []Trainable{{Param: m.Blocks[1].MLP.Down, LRScale: 1}})
		s, err := NewStep(p, StepConfig{Student: m, Teacher: m, Batch: m.Batch(2, 5), Objective: Objective{{Type: ForwardKL, Weight: 1}}, Grad: grads.Grad})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	p := OnPaper(2)
	got, want := build(p, outline), build(nil, real)
	defer want.Close()
	if got.Memory() != want.Memory() || got.Nodes() != want.Nodes() || p.Entered() == 0 || outline.Size() != real.Size() {
		t.Errorf("%+v on paper, %d nodes and %d bytes of scratch; %+v, %d nodes", got.Memory(), got.Nodes(), p.Entered(), want.Memory(), want.Nodes())
	}
	defer func() {
		if recover() == nil {
			t.Error("it ran")
		}
	}()
	_ = got.Run()
}
