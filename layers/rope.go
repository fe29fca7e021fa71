package layers

import (
	"fmt"
	"math"

	"stillhouse/layers/internal/kernel"
)

// RopeScaling bends the rotary frequencies f_i = θ^(-2i/P) so that a model reads
// contexts longer than it was trained on. L0 = OriginalPositions; every value is
// resolved, nothing has a default here.
//
//	linear    f_i/s                                           (Chen et al. 2023, arXiv:2306.15595)
//	dynamic   θ' = θ·(s·T/M - (s-1))^(P/(P-2)), M = the longest context, T ≥ M the length at hand
//	llama3    f_i above the high frequency stays, f_i/s below the low one, a blend in between
//	yarn      a ramp over i from f_i to f_i/s; cos and sin times AttentionFactor (Peng et al. 2023, arXiv:2309.00071)
//	longrope  f_i/ShortFactors[i] up to T = L0, f_i/LongFactors[i] beyond; likewise (Ding et al. 2024, arXiv:2402.13753)
//
// s is Factor. dynamic and longrope depend on the length of the sequence that is
// read: a graph takes that of its batch's rows, a Decoder its capacity.
type RopeScaling struct {
	Type              string    `json:"rope_type"`
	Factor            float64   `json:"factor,omitempty"`                           // of all but longrope
	OriginalPositions int       `json:"original_max_position_embeddings,omitempty"` // llama3, yarn, longrope
	LowFactor         float64   `json:"low_freq_factor,omitempty"`                  // llama3: the low frequency is LowFactor turns in L0
	HighFactor        float64   `json:"high_freq_factor,omitempty"`                 // llama3: likewise
	BetaFast          float64   `json:"beta_fast,omitempty"`                        // yarn: turns in L0 where the ramp begins
	BetaSlow          float64   `json:"beta_slow,omitempty"`                        // yarn: and where it ends
	Truncate          bool      `json:"truncate,omitempty"`                         // yarn: the ramp's ends are whole numbers
	AttentionFactor   float64   `json:"attention_factor,omitempty"`                 // yarn, longrope
	ShortFactors      []float64 `json:"short_factor,omitempty"`                     // longrope, [P/2]
	LongFactors       []float64 `json:"long_factor,omitempty"`                      // longrope, [P/2]
}

// The kinds of scaling, in Hugging Face's words.
const (
	RopeLinear  = "linear"
	RopeDynamic = "dynamic"
	RopeLlama3  = "llama3"
	RopeYarn    = "yarn"
	RopeLong    = "longrope"
)

// check returns an error that names the first value that cannot be.
func (s *RopeScaling) check(theta float64, p, positions int) error {
	needs := map[string][]float64{
		RopeLinear: {s.Factor}, RopeDynamic: {s.Factor, float64(positions)},
		RopeLlama3: {s.Factor, s.LowFactor, s.HighFactor - s.LowFactor, float64(s.OriginalPositions)},
		RopeYarn:   {s.Factor, s.BetaFast, s.BetaSlow, s.AttentionFactor, float64(s.OriginalPositions)},
		RopeLong:   {s.AttentionFactor, float64(s.OriginalPositions)},
	}[s.Type]
	switch {
	case needs == nil:
		return fmt.Errorf("unknown rope_type %q", s.Type)
	case !(theta > 0):
		return fmt.Errorf("rope_type %s without rope_theta", s.Type)
	case s.Type == RopeDynamic && p <= 2, s.Type == RopeYarn && !(theta > 1):
		return fmt.Errorf("rope_type %s with head_dim %d and rope_theta %v", s.Type, p, theta)
	case s.Type == RopeLong && (len(s.ShortFactors) != p/2 || len(s.LongFactors) != p/2):
		return fmt.Errorf("rope_type longrope has %d short and %d long factors, want head_dim/2 = %d", len(s.ShortFactors), len(s.LongFactors), p/2)
	}
	for _, v := range append(append(needs, s.ShortFactors...), s.LongFactors...) {
		if !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("rope_type %s with %+v: every number must be finite and above 0, high_freq_factor above low_freq_factor", s.Type, *s)
		}
	}
	return nil
}

// RopeFrequencies returns the angles of one position [P/2], and the factor of
// cos and sin, for sequences of length t.
func (c *Config) RopeFrequencies(t int) (inverse []float64, factor float64) {
	theta, p, s := c.RopeTheta, float64(c.HeadDim), c.RopeScaling
	if s == nil {
		s = &RopeScaling{}
	}
	if s.Type == RopeDynamic && t > c.MaxPositions {
		theta *= math.Pow(s.Factor*float64(t)/float64(c.MaxPositions)-(s.Factor-1), p/(p-2))
	}
	inverse = make([]float64, c.HeadDim/2)
	for i := range inverse {
		inverse[i] = math.Pow(theta, -2*float64(i)/p)
	}
	switch s.Type {
	case RopeLinear:
		for i := range inverse {
			inverse[i] /= s.Factor
		}
	case RopeLlama3:
		s.llama3(inverse)
	case RopeYarn:
		s.yarn(inverse, theta)
		return inverse, s.AttentionFactor
	case RopeLong:
		by := s.ShortFactors
		if t > s.OriginalPositions {
			by = s.LongFactors
		}
		for i := range inverse {
			inverse[i] /= by[i]
		}
		return inverse, s.AttentionFactor
	}
	return inverse, 1
}

// llama3 divides the slow frequencies and blends those between.
func (s *RopeScaling) llama3(inverse []float64) {
	for i, f := range inverse {
		turns := float64(s.OriginalPositions) * f / (2 * math.Pi)
		switch {
		case turns > s.HighFactor:
		case turns < s.LowFactor:
			inverse[i] = f / s.Factor
		default:
			smooth := (turns - s.LowFactor) / (s.HighFactor - s.LowFactor)
			inverse[i] = (1-smooth)*f/s.Factor + smooth*f
		}
	}
}

// yarn ramps from the trained frequencies to the divided ones between the
// coordinates that make BetaFast and BetaSlow turns in the original context.
func (s *RopeScaling) yarn(inverse []float64, theta float64) {
	p := float64(2 * len(inverse))
	at := func(turns float64) float64 {
		return p * math.Log(float64(s.OriginalPositions)/(turns*2*math.Pi)) / (2 * math.Log(theta))
	}
	low, high := at(s.BetaFast), at(s.BetaSlow)
	if s.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, p-1)
	if low == high {
		high += 0.001 // the reference's way out of 0/0
	}
	for i, f := range inverse {
		ramp := min(max((float64(i)-low)/(high-low), 0), 1)
		inverse[i] = f/s.Factor*ramp + f*(1-ramp)
	}
}

// rope returns the rotary tables for sequences of t tokens, of a length that may
// be 0 for an attention to grow; nil without RoPE.
func (c *Config) rope(t, length int) *kernel.Rope {
	if c.RopeTheta == 0 {
		return nil
	}
	inverse, factor := c.RopeFrequencies(t)
	return kernel.NewRopeFreqs(inverse, factor, length)
}
