package importance

import (
	"math/rand/v2"
	"testing"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// random returns a model of n attention layers, large enough in its weights that
// each of them matters; that of layer silent, if not -1, has an o_proj of zero.
func random(t testing.TB, n, silent int, dtype tensor.DType) *layers.Model {
	t.Helper()
	c := layers.Config{VocabSize: 23, HiddenSize: 16, Intermediate: 24, Heads: 4, KVHeads: 2, HeadDim: 4,
		RopeTheta: 10000, NormEps: 1e-6, Tied: true, MaxPositions: 64}
	for range n {
		c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
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
	if silent >= 0 {
		m.Blocks[silent].Mixer.(*layers.Attention).O.Value.Zero()
	}
	return m
}

// probe looks at all layers of a model, the teacher itself, over batches of
// random tokens of which every third is masked.
func probe(m *layers.Model, b, t, batches int) Probe {
	p := Probe{Teacher: m, Student: m, B: b, T: t, Batches: batches, Seed: 3, Fill: fill}
	for l := range m.Blocks {
		p.Layers = append(p.Layers, l)
	}
	return p
}

func fill(i int, b *layers.Batch) error {
	r := rand.New(rand.NewPCG(uint64(i), 9))
	ids, labels := tensor.Data[int32](b.IDs), tensor.Data[int32](b.Labels)
	weight := make([]float64, len(ids))
	for n := range ids {
		ids[n], labels[n] = int32(r.IntN(23)), int32(r.IntN(23))
		if n%3 > 0 {
			weight[n] = 1
		}
	}
	b.Weight.CopyFrom(tensor.From(weight, len(weight)))
	return nil
}

// masked is fill with nothing that counts.
func masked(i int, b *layers.Batch) error {
	err := fill(i, b)
	b.Weight.Zero()
	return err
}

// loss returns the objective of m on p's batch i, the mean over what counts.
func loss(t testing.TB, p Probe, m *layers.Model, i int, kind layers.TermType) float64 {
	t.Helper()
	b := p.batch()
	if err := p.Fill(i, b); err != nil {
		t.Fatal(err)
	}
	normalise(b)
	s, err := layers.NewStep(nil, layers.StepConfig{Student: m, Teacher: p.Teacher, Batch: b, Objective: layers.Objective{{Type: kind, Weight: 1}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	return s.Loss()
}

// toMamba is the plain weight transfer to a Mamba-2.
func toMamba(m *layers.Model, l int) error {
	a, c := m.Blocks[l].Mixer.(*layers.Attention), m.Config.Clone()
	s := layers.Mamba2For(&c)
	s.Chunk = 8
	x := m.SetMixer(l, layers.Mixed{Kind: layers.KindMamba2, Mamba2: &s}).(*layers.Mamba2)
	return layers.TransferMamba2(x, a, &c, 0.01, rand.New(rand.NewPCG(1, uint64(l))))
}

// training is a Trial: AdamW on the reverse KL, one batch a step.
type training struct {
	p     Probe
	step  *layers.Step
	opt   *layers.AdamW
	taken int
}

// begin is a Start.
func begin(p Probe) Start {
	return func(m *layers.Model, train []int) (Trial, error) {
		var ts []layers.Trainable
		for _, l := range train {
			for _, q := range m.Blocks[l].Mixer.Params() {
				ts = append(ts, layers.Trainable{Param: q, LRScale: 1})
			}
		}
		t := &training{p: p, opt: layers.NewAdamW(nil, layers.AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-4}, ts)}
		var err error
		t.step, err = layers.NewStep(nil, layers.StepConfig{Student: m, Teacher: p.Teacher, Batch: p.batch(), Grad: t.opt.Grad,
			Objective: layers.Objective{{Type: layers.ReverseKL, Weight: 1}}})
		return t, err
	}
}

func (t *training) Train(steps int) (losses []float64, err error) {
	for range steps {
		if err := t.p.Fill(1000+t.taken, t.step.Batch); err != nil {
			return nil, err
		}
		normalise(t.step.Batch)
		t.opt.ZeroGrad()
		if err := t.step.Run(); err != nil {
			return nil, err
		}
		t.opt.Step(3e-3, t.opt.GradNorm(), 1)
		t.taken++
		losses = append(losses, t.step.Loss())
	}
	return losses, nil
}

func (t *training) Tokens() int64 { return int64(t.taken * t.p.B * t.p.T) }
func (t *training) Close()        { t.step.Close() }

// group is a Cohort of trials that have nothing in common.
type group struct {
	trials []Trial
	seen   [][]int // who trained in each call
}

// gather is a Gather; what it made is left in last.
func gather(t testing.TB, p Probe, last *group) Gather {
	return func(models []*layers.Model, ls []int) Cohort {
		*last = group{}
		for i, m := range models {
			x, err := begin(p)(m, ls[i:i+1])
			if err != nil {
				t.Fatal(err)
			}
			last.trials = append(last.trials, x)
		}
		return last
	}
}

func (g *group) Train(alive []int, steps int, tick func()) (all [][]float64, err error) {
	g.seen = append(g.seen, append([]int(nil), alive...))
	for _, i := range alive {
		losses, err := g.trials[i].Train(steps)
		if err != nil {
			return nil, err
		}
		all = append(all, losses)
		for range steps {
			tick()
		}
	}
	return all, nil
}

func (g *group) Close() {
	for _, t := range g.trials {
		t.Close()
	}
}

func (g *group) Tokens() (n int64) {
	for _, t := range g.trials {
		n += t.Tokens()
	}
	return n
}
