package distill

import (
	"math/rand/v2"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// smallVocab is the vocabulary of small models.
const smallVocab = 29

// small returns a random model, large enough in its weights that every layer
// shows: a for attention, 2 and 1 for the Mamba mixers. Four query heads of
// width 8 share two of keys and values.
func small(t testing.TB, kinds string, dtype tensor.DType, change func(c *layers.Config)) *layers.Model {
	t.Helper()
	c := layers.Config{VocabSize: smallVocab, HiddenSize: 16, Intermediate: 24, Heads: 4, KVHeads: 2, HeadDim: 8,
		RopeTheta: 10000, NormEps: 1e-6, Tied: true, MaxPositions: 256}
	for range kinds {
		c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
	}
	if change != nil {
		change(&c)
	}
	for l, k := range kinds {
		m1, m2 := layers.Mamba1For(&c), layers.Mamba2For(&c)
		m1.State, m2.Chunk = 4, 8
		switch k {
		case '1':
			c.Mixers[l] = layers.Mixed{Kind: layers.KindMamba1, Mamba1: &m1}
		case '2':
			c.Mixers[l] = layers.Mixed{Kind: layers.KindMamba2, Mamba2: &m2}
		}
	}
	m, err := layers.New(c, dtype)
	if err != nil {
		t.Fatal(err)
	}
	m.Init(1)
	r := rand.New(rand.NewPCG(5, 5))
	for _, p := range m.Params() {
		if p.Decays() {
			layers.Normal(p.Value, 0.3, r)
		}
	}
	return m
}

// randomRows fills batches with tokens drawn by their row alone; every label is
// the next token, and counts says which positions do.
func randomRows(counts func(row int64, position int) bool) Fill {
	return func(row int64, b *layers.Batch) error {
		ids, labels := tensor.Data[int32](b.IDs), tensor.Data[int32](b.Labels)
		weight := make([]float64, b.B*b.T)
		for i := range b.B {
			r := rand.New(rand.NewPCG(uint64(row)+uint64(i), 77))
			next := int32(r.IntN(smallVocab))
			for j := range b.T {
				ids[i*b.T+j] = next
				next = int32(r.IntN(smallVocab))
				labels[i*b.T+j] = next
				if counts == nil || counts(row+int64(i), j) {
					weight[i*b.T+j] = 1
				}
			}
		}
		b.Start.Zero()
		b.Weight.CopyFrom(tensor.From(weight, len(weight)))
		return nil
	}
}

// smallPhase trains what the pattern says at a constant rate; fresh layers are
// the new mixers.
func smallPhase(pattern string, fresh []int, terms ...layers.Term) Phase {
	if terms == nil {
		terms = layers.Objective{{Type: layers.ReverseKL, Weight: 1}}
	}
	return Phase{
		Name: "test", Objective: terms, Trainable: []Group{{matcher(pattern, fresh, fresh), 1}},
		Schedule: Schedule{Type: "constant", Peak: 1e-2, Steps: 100}, B: 2, T: 12, Accumulate: 1, LogEvery: 1,
		AdamW: layers.AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8},
	}
}

// trainer begins a phase and fails the test when it cannot.
func trainer(t testing.TB, teacher, student *layers.Model, ph Phase, fill Fill) *Trainer {
	t.Helper()
	tr, err := NewTrainer(nil, teacher, student, ph, fill, Position{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// hybrid is a student of the teacher with some layers swapped for Mamba.
func hybrid(t testing.TB, teacher *layers.Model, spec MixerSpec, ls ...int) *layers.Model {
	t.Helper()
	s := teacher.Share()
	for _, l := range ls {
		if _, err := Swap(nil, s, l, spec, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// milMamba2 is the plain weight transfer.
var milMamba2 = MixerSpec{Kind: layers.KindMamba2, Init: InitMIL}

// snapshot copies every weight under its checkpoint name.
func snapshot(m *layers.Model) map[string][]float64 {
	all := map[string][]float64{}
	for _, n := range m.Named() {
		all[n.Name] = numbers(n.Value)
	}
	return all
}
