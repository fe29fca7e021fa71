package layers

import (
	"fmt"

	"stillhouse/layers/tensor"
)

// Attention's biases have no place in Mamba's projections, which have none, but
// the convolution that follows them has: with taps w the channel that would get
// Σ_k w_k·(x[t-k] + b) gets Σ_k w_k·x[t-k] + b·Σ_k w_k. With the identity taps of
// a fit that is exact everywhere, with others from the K-th token of a document
// on, before which the reference has zeros where a bias would be.

// setConvBias makes the convolution add to each of its channels what its taps
// would make of shift [C].
func setConvBias(w, b *Param, shift []float64) {
	k := w.Value.Dim(-1)
	taps := float64s(w.Value)
	fill(b.Value, func(c int) float64 {
		var sum float64
		for _, t := range taps[c*k : (c+1)*k] {
			sum += t
		}
		return sum * shift[c]
	})
}

// transferBias gives m's convolution what the biases of q, k and v would add to
// C, B and x.
func (m *Mamba2) transferBias(a *Attention, c *Config) {
	if a.QKVBias == nil {
		return
	}
	shift := tensor.New(tensor.F64, m.Config.ConvDim())
	q, k, v := split(float64Copy(a.QKVBias.Value), c)
	placeXBC(shift, q, k, v, m.Config, c)
	setConvBias(m.ConvW, m.ConvB, tensor.Data[float64](shift))
}

// transferBias gives m's convolution, which runs over x only, what the bias of v
// would add; those of q and k have no place.
func (m *Mamba1) transferBias(a *Attention, c *Config) {
	if a.QKVBias == nil {
		return
	}
	_, _, v := split(float64Copy(a.QKVBias.Value), c)
	bias, s := tensor.Data[float64](v), m.Config
	shift := make([]float64, s.Inner)
	copies := s.Inner / s.XB
	for e := range shift { // as the kernel repeats x
		shift[e] = bias[e/s.RepeatGroup/copies*s.RepeatGroup+e%s.RepeatGroup]
	}
	setConvBias(m.ConvW, m.ConvB, shift)
}

func float64Copy(t *tensor.Tensor) *tensor.Tensor {
	c := tensor.New(tensor.F64, t.Shape()...)
	c.CopyFrom(t)
	return c
}

// TransferGaps names what of the attention a weight transfer to a mixer of the
// kind leaves behind, beyond the softmax and the positions that it always does;
// nil when it takes all.
func TransferGaps(a *Attention, c *Config, kind Kind) (gaps []string) {
	if a.QNorm != nil {
		gaps = append(gaps, "the norm of each query and key head: B and C start from the projections before it")
	}
	if a.QKVBias != nil && kind == KindMamba1 {
		gaps = append(gaps, "the biases of q and k: the mixer's convolution, which takes that of v, runs over x only")
	}
	if a.OBias != nil {
		gaps = append(gaps, "the bias of o_proj: out_proj has none")
	}
	if a.Window > 0 {
		gaps = append(gaps, fmt.Sprintf("the window of %d tokens: a Mamba state forgets gradually", a.Window))
	}
	return gaps
}
