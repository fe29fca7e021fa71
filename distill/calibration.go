package distill

import (
	"stillhouse/data"
	"stillhouse/layers"
	"stillhouse/recipes"
)

// What mil-fit is fitted on: the teacher's mixer inputs and outputs over a sample
// of the data. Input and output of all layers is much: 17 GiB for 64 sequences of
// 2048 tokens in a model of 135M. So all of it is kept for as long as mixers may
// be made only where it is small; else a pass up to the layer collects one layer's,
// which goes when its mixer is fitted.

// wholeSample is the size in bytes up to which the sample of all layers is kept.
const wholeSample = 512 << 20

// Calibrate returns the teacher's mixer inputs and outputs of layer l, and the
// document starts, over the calibration set. Only mil-fit asks for it.
type Calibrate func(l int) (layers.Calibration, error)

// calibration collects what mil-fit reads of some layers: one teacher pass over
// the batches keeps every such mixer's input and output. b is the memory for it.
func calibration(p *layers.Pool, teacher *layers.Model, b *layers.Batch, batches int, fill func(i int, b *layers.Batch) error, ls ...int) (Calibrate, error) {
	cals := map[int]*layers.Calibration{}
	for _, l := range ls {
		cals[l] = &layers.Calibration{}
	}
	taps, err := layers.NewTaps(p, teacher, b, ls...)
	if err != nil {
		return nil, err
	}
	defer taps.Close()
	for i := range batches {
		if err := fill(i, b); err != nil {
			return nil, err
		}
		if err := taps.Run(); err != nil {
			return nil, err
		}
		start := b.Start.Clone()
		for _, l := range ls {
			in, out := taps.Mixer(l)
			c := cals[l]
			c.In, c.Out, c.Start = append(c.In, in.Clone()), append(c.Out, out.Clone()), append(c.Start, start)
		}
	}
	return func(l int) (layers.Calibration, error) { return *cals[l], nil }, nil
}

// calibrate returns what mil-fit asks for, nil when nothing will. Unless the
// sample is kept whole, every call of what it returns is a pass of the teacher,
// and one call at a time is all that the memory is planned for.
func (s *scorer) calibrate() (Calibrate, error) {
	if Init(s.recipe.Student.Mixer.Init) != InitMILFit {
		return nil, nil
	}
	if s.cached != nil {
		return s.cached, nil
	}
	b, t, n := fitBatches(s.recipe)
	collect := func(ls ...int) (Calibrate, error) {
		return calibration(s.pool, s.teacher, s.teacher.Batch(b, t), n, s.stream.batches(data.Train, calibrationRows), ls...)
	}
	if !keepsSample(s.recipe, &s.teacher.Config) {
		return func(l int) (layers.Calibration, error) {
			one, err := collect(l)
			if err != nil {
				return layers.Calibration{}, err
			}
			return one(l)
		}, nil
	}
	var err error
	s.cached, err = collect(attentionOf(&s.teacher.Config)...)
	return s.cached, err
}

// fitBatches is the sample that fitted mixers are fitted on.
func fitBatches(r *recipes.Recipe) (b, t, n int) {
	return batchesOf(recipes.Calibration{Sequences: r.Student.Mixer.Fit.Sequences}, r)
}

// calibrationBytes is the size of one layer's sample in float32, input and output
// of its mixer.
func calibrationBytes(r *recipes.Recipe, c *layers.Config) int64 {
	b, t, n := fitBatches(r)
	return 4 * 2 * int64(b*t*n) * int64(c.HiddenSize)
}

// keepsSample reports whether mixers are fitted, on a sample that is small enough
// to be kept whole.
func keepsSample(r *recipes.Recipe, c *layers.Config) bool {
	return Init(r.Student.Mixer.Init) == InitMILFit && calibrationBytes(r, c)*int64(len(attentionOf(c))) <= wholeSample
}

// attentionOf returns the layers that are attention.
func attentionOf(c *layers.Config) (ls []int) {
	for l, x := range c.Mixers {
		if x.Kind == layers.KindAttention {
			ls = append(ls, l)
		}
	}
	return ls
}
