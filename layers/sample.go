package layers

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"stillhouse/layers/tensor"
)

// Sampling says how the next token is chosen from its logits. The zero value
// takes the likeliest. What it does comes in the order of transformers: penalty,
// temperature, the K likeliest, and of these the likeliest that together have
// probability P.
type Sampling struct {
	Temperature       float64 // below 1 the likely gets likelier; 0: the likeliest token
	TopK              int     // 0: all
	TopP              float64 // 0 or 1: all
	RepetitionPenalty float64 // above 1, tokens seen before get less likely (Keskar 2019); 0 or 1: none
}

// check panics on values that mean nothing.
func (s Sampling) check() {
	if !(s.Temperature >= 0) || s.TopK < 0 || !(s.TopP >= 0 && s.TopP <= 1) || !(s.RepetitionPenalty >= 0) {
		panic(fmt.Sprintf("layers: Sampling: %+v has a negative value or a TopP above 1", s))
	}
}

// Choose draws the next token from row i of logits [B,V]. seen are the tokens
// that the penalty is for; r is not used at temperature 0.
func (s Sampling) Choose(logits *tensor.Tensor, i int, seen []int32, r *rand.Rand) int32 {
	s.check()
	if s.RepetitionPenalty == 0 || s.RepetitionPenalty == 1 {
		seen = nil
	}
	whole := s.TopK == 0 && (s.TopP == 0 || s.TopP == 1)
	if len(seen) == 0 && (whole || s.Temperature == 0) {
		return Sample(logits, i, s.Temperature, r)
	}
	ids, p := s.Distribution(float64s(logits.Rows(i, i+1)), seen)
	if s.Temperature == 0 {
		return ids[0]
	}
	u := r.Float64()
	for j, v := range p {
		if u -= v; u < 0 {
			return ids[j]
		}
	}
	return ids[len(ids)-1]
}

// Distribution returns the tokens that may come next, the likeliest first and the
// lower of equals, with their probabilities, which sum to 1. It overwrites logits.
func (s Sampling) Distribution(logits []float64, seen []int32) (ids []int32, p []float64) {
	s.check()
	if c := s.RepetitionPenalty; c != 0 && c != 1 {
		punished := slices.Clone(seen) // once each, however often it was said
		slices.Sort(punished)
		for _, id := range slices.Compact(punished) {
			if logits[id] > 0 {
				logits[id] /= c
			} else {
				logits[id] *= c
			}
		}
	}
	ids = make([]int32, len(logits))
	for i := range ids {
		ids[i] = int32(i)
	}
	slices.SortStableFunc(ids, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
	if s.Temperature == 0 {
		return ids[:1], []float64{1}
	}
	if s.TopK > 0 {
		ids = ids[:min(s.TopK, len(ids))]
	}
	p = make([]float64, len(ids))
	top, sum := logits[ids[0]], 0.0
	for j, id := range ids {
		p[j] = math.Exp((logits[id] - top) / s.Temperature)
		sum += p[j]
	}
	if s.TopP > 0 && s.TopP < 1 {
		part := 0.0
		for j := range p {
			if part += p[j]; part >= s.TopP*sum {
				ids, p, sum = ids[:j+1], p[:j+1], part
				break
			}
		}
	}
	for j := range p {
		p[j] /= sum
	}
	return ids, p
}
