package distill

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// Geometry is a model to measure a training step with: the sizes of the
// teacher, how many of its last mixers are Mamba-2 in the student, and a batch.
type Geometry struct {
	Name  string
	Model layers.Config // the teacher: attention everywhere
	Mamba int
	B, T  int
	// CheckpointBlocks keeps only the inputs of the student's blocks.
	CheckpointBlocks bool
	Steps            int // that give a median worth reading
}

// GeometryNames lists what GeometryByName knows.
var GeometryNames = [...]string{"default", "smol135m"}

// GeometryByName returns a geometry: default, a model that trains in minutes, or
// smol135m, the sizes of SmolLM2-135M with half of its layers converted.
func GeometryByName(name string) (Geometry, error) {
	attention := func(n int) (ms []layers.Mixed) {
		return slices.Repeat([]layers.Mixed{{Kind: layers.KindAttention}}, n)
	}
	switch name {
	case GeometryNames[0]:
		return Geometry{Name: name, Mamba: 4, B: 8, T: 256, Steps: 21, Model: layers.Config{
			VocabSize: 512, HiddenSize: 256, Intermediate: 688, Heads: 8, KVHeads: 4, HeadDim: 32,
			RopeTheta: 10000, NormEps: 1e-5, Mixers: attention(8)}}, nil
	case GeometryNames[1]:
		return Geometry{Name: name, Mamba: 15, B: 1, T: 512, Steps: 5, Model: layers.Config{
			VocabSize: 49152, HiddenSize: 576, Intermediate: 1536, Heads: 9, KVHeads: 3, HeadDim: 64,
			RopeTheta: 100000, NormEps: 1e-5, Tied: true, Mixers: attention(30)}}, nil
	}
	return Geometry{}, fmt.Errorf("unknown geometry %q (hint: %s)", name, strings.Join(GeometryNames[:], " or "))
}

// Student returns the sizes of the student.
func (g Geometry) Student() layers.Config {
	c := g.Model.Clone()
	for l := len(c.Mixers) - g.Mamba; l < len(c.Mixers); l++ {
		m := layers.Mamba2For(&c) // one group a query head, as the weight transfer wants it
		c.Mixers[l] = layers.Mixed{Kind: layers.KindMamba2, Mamba2: &m}
	}
	return c
}

// trial returns the teacher and the trainer of a geometry's student, every weight training by
// reverse KL against the teacher, both with random weights, on random tokens:
// the time of a step does not depend on what they are.
func (g Geometry) trial(p *layers.Pool) (t *Trainer, teacher *layers.Model, err error) {
	teacher, student, err := g.models(layers.New)
	if err != nil {
		return nil, nil, err
	}
	teacher.Init(1)
	student.Init(2)
	t, err = NewTrainer(p, teacher, student, g.phase(), randomTokens(g.Model.VocabSize), Position{})
	return t, teacher, err
}

// plan returns what a trial on so many threads takes.
func (g Geometry) plan(threads int) (MemoryParts, error) {
	teacher, student, err := g.models(layers.Outline)
	if err != nil {
		return MemoryParts{}, err
	}
	return planTrainer(threads, teacher, student, g.phase())
}

// models returns teacher and student as layers.New or layers.Outline makes them.
func (g Geometry) models(make func(layers.Config, tensor.DType) (*layers.Model, error)) (teacher, student *layers.Model, err error) {
	if g.B < 1 || g.T < 1 {
		return nil, nil, fmt.Errorf("batch %d of sequences of %d tokens (hint: at least 1 each)", g.B, g.T)
	}
	if teacher, err = make(g.Model, tensor.F32); err == nil {
		student, err = make(g.Student(), tensor.F32)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("geometry %s: %w", g.Name, err)
	}
	return teacher, student, nil
}

// phase is what a trial trains.
func (g Geometry) phase() Phase {
	return Phase{
		Name:      "bench",
		Objective: layers.Objective{{Type: layers.ReverseKL, Weight: 1, Temperature: 1}},
		Trainable: []Group{{Match: func(string) bool { return true }, LRScale: 1}},
		Schedule:  Schedule{Type: "constant", Peak: 1e-4, Steps: 1 << 30},
		B:         g.B, T: g.T, Accumulate: 1, MaxNorm: 1, Recompute: g.CheckpointBlocks,
		AdamW: layers.AdamWConfig{Beta1: 0.9, Beta2: 0.95, Epsilon: 1e-8, WeightDecay: 0.1},
	}
}

// randomTokens fills rows with tokens that depend on the row alone.
func randomTokens(vocab int) Fill {
	return func(row int64, b *layers.Batch) error {
		ids, labels, weight := tensor.Data[int32](b.IDs), tensor.Data[int32](b.Labels), tensor.Data[float32](b.Weight)
		for s := range b.B {
			r := rand.New(rand.NewPCG(3, uint64(row)+uint64(s)))
			next := int32(r.IntN(vocab))
			for i := s * b.T; i < (s+1)*b.T; i++ {
				ids[i] = next
				next = int32(r.IntN(vocab))
				labels[i], weight[i] = next, 1
			}
		}
		return nil
	}
}

// peakRSS returns the largest resident size this process has had, 0 where the
// system does not say (it does on Linux).
func peakRSS() (bytes int64) {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if v, ok := strings.CutPrefix(s.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kib << 10
		}
	}
	return 0
}
