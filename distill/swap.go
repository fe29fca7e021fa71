package distill

import (
	"fmt"
	"math"
	"math/rand/v2"

	"stillhouse/layers"
)

// Init names how a new mixer gets its first weights.
type Init string

// The initialisers.
const (
	InitMIL          Init = "mil"           // weight transfer, heads aligned
	InitMILReference Init = "mil-reference" // weight transfer in the published order
	InitMILFit       Init = "mil-fit"       // mil, then what is left fitted on calibration data
	InitRandom       Init = "random"        // the control
)

// MixerSpec says what takes attention's place. Zero sizes mean: as the weight
// transfer wants them.
type MixerSpec struct {
	Kind        layers.Kind
	Init        Init
	GroupedNorm bool
	Conv        int
	Chunk       int
	Groups      int
	Heads       int
	HeadDim     int
	State       int
	Rank        int
	Ridge       float64 // of mil-fit
}

// mixed returns the mixer's sizes for a model.
func (s MixerSpec) mixed(c *layers.Config) layers.Mixed {
	set := func(dst *int, v int) {
		if v > 0 {
			*dst = v
		}
	}
	if s.Kind == layers.KindMamba1 {
		m := layers.Mamba1For(c)
		set(&m.Conv, s.Conv)
		set(&m.State, s.State)
		set(&m.Rank, s.Rank)
		if s.Init == InitMILReference {
			m.RepeatGroup = m.State
		}
		return layers.Mixed{Kind: s.Kind, Mamba1: &m}
	}
	m := layers.Mamba2For(c)
	m.GroupedNorm = s.GroupedNorm
	set(&m.Conv, s.Conv)
	set(&m.Chunk, s.Chunk)
	set(&m.Heads, s.Heads)
	set(&m.HeadDim, s.HeadDim)
	set(&m.State, s.State)
	if s.Groups > 0 {
		m.Groups = s.Groups
	} else {
		m.Groups = m.Heads
	}
	return layers.Mixed{Kind: s.Kind, Mamba2: &m}
}

// Swap puts a new mixer in the place of layer l's attention and initialises
// it; norms and MLP stay. The model must be safe to change (see Model.Share).
// seed makes fresh weights the same for one layer whatever else is swapped.
func Swap(p *layers.Pool, m *layers.Model, l int, s MixerSpec, seed uint64, calibrate Calibrate) (*layers.Fit, error) {
	a, ok := m.Blocks[l].Mixer.(*layers.Attention)
	if !ok {
		return nil, fmt.Errorf("layer %d is not attention: it cannot be replaced again", l)
	}
	c := m.Config.Clone() // attention's view of the model, before the change
	r := rand.New(rand.NewPCG(seed, uint64(l)))
	out := 0.02 / math.Sqrt(2*float64(c.Layers()))
	var err error
	switch x := m.SetMixer(l, s.mixed(&c)).(type) {
	case *layers.Mamba2:
		if s.Init == InitRandom {
			x.Init(out, r)
			return nil, nil
		}
		if err = layers.TransferMamba2(x, a, &c, out, r); err == nil && s.Init == InitMILFit {
			return fitted(layers.FitMamba2, p, x, a, &c, s, l, calibrate)
		}
	case *layers.Mamba1:
		if s.Init == InitRandom {
			x.Init(out, r)
			return nil, nil
		}
		if err = layers.TransferMamba1(x, a, &c, out, r); err == nil && s.Init == InitMILFit {
			return fitted(layers.FitMamba1, p, x, a, &c, s, l, calibrate)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("layer %d: %w", l, err)
	}
	return nil, nil
}

// leavesBehind names what of layer l's attention the initialiser has no place for.
func (s MixerSpec) leavesBehind(m *layers.Model, l int) []string {
	a, ok := m.Blocks[l].Mixer.(*layers.Attention)
	if !ok || s.Init == InitRandom {
		return nil
	}
	return layers.TransferGaps(a, &m.Config, s.Kind)
}

func fitted[M layers.Mixer](fit func(*layers.Pool, M, *layers.Attention, *layers.Config, layers.Calibration, float64) (layers.Fit, error),
	p *layers.Pool, x M, a *layers.Attention, c *layers.Config, s MixerSpec, l int, calibrate Calibrate) (*layers.Fit, error) {
	cal, err := calibrate(l)
	if err != nil {
		return nil, fmt.Errorf("layer %d: calibration: %w", l, err)
	}
	ridge := s.Ridge
	if ridge == 0 {
		ridge = layers.Ridge
	}
	f, err := fit(p, x, a, c, cal, ridge)
	if err != nil {
		return nil, fmt.Errorf("layer %d: %w", l, err)
	}
	return &f, nil
}
