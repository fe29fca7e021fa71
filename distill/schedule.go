package distill

import "math"

// Schedule is the learning rate over a phase.
type Schedule struct {
	Type     string  // constant, cosine or wsd (warm-up, stable, decay)
	Peak     float64 // the learning rate after warm-up
	Warmup   int     // steps of linear warm-up
	MinRatio float64 // of the peak: where cosine and wsd end
	Decay    float64 // wsd: the share of all steps that decays, linearly
	Steps    int     // of the whole phase
}

// At returns the learning rate of step i, counted from 0.
func (s Schedule) At(i int) float64 {
	if i < s.Warmup {
		return s.Peak * float64(i+1) / float64(s.Warmup)
	}
	switch s.Type {
	case "cosine":
		left := max(1, s.Steps-s.Warmup)
		x := min(1, float64(i-s.Warmup)/float64(left))
		return s.Peak * (s.MinRatio + (1-s.MinRatio)*(1+math.Cos(math.Pi*x))/2)
	case "wsd":
		decay := int(s.Decay * float64(s.Steps))
		if from := s.Steps - decay; i >= from && decay > 0 {
			return s.Peak * (1 - (1-s.MinRatio)*float64(min(decay, i-from+1))/float64(decay))
		}
	}
	return s.Peak
}
