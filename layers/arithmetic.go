package layers

// Useful arithmetic is what the mathematics asks for, not what an
// implementation spends: no recomputation, no padding, causal attention as the
// half it is, the state-space scan by its recurrence. Norms, gates, softmax,
// losses and the optimizer count nothing. One multiply-add is two operations.
//
// For a token at a sequence length T, forward:
//
//	projection     2·out·in                      each weight once
//	attention      4·H·P·(T+1)/2                 q·k and the sum of v, over the mean past
//	Mamba-2 scan   5·H·P·N + 2·K·(E+2GN)         s = a·s + x⊗B (3), y = s·C (2); convolution
//	Mamba-1 scan   5·E·N + 2·K·E
//	head           2·V·D
//
// Backward is twice that where a gradient is wanted.

// Arithmetic returns the useful operations of one token's forward pass through
// everything but the head, and through the head.
func (c *Config) Arithmetic(t int) (body, head float64) {
	d := float64(c.HiddenSize)
	for _, m := range c.Mixers {
		body += c.mixerArithmetic(m, t) + 6*d*float64(c.Intermediate)
	}
	return body, 2 * float64(c.VocabSize) * d
}

func (c *Config) mixerArithmetic(m Mixed, t int) float64 {
	d := float64(c.HiddenSize)
	switch m.Kind {
	case KindMamba2:
		b := m.Mamba2
		e := float64(b.Inner())
		return 2*d*float64(b.ProjDim()) + 2*d*e + 5*e*float64(b.State) + 2*float64(b.Conv*b.ConvDim())
	case KindMamba1:
		b := m.Mamba1
		e, r := float64(b.Inner), float64(b.Rank)
		return 2*d*(2*e+2*float64(b.XB)) + 2*d*r + 2*r*e + 2*d*e + 5*e*float64(b.State) + 2*float64(b.Conv)*e
	}
	hp := float64(c.Heads * c.HeadDim)
	return 2*d*float64(c.QKVDim()) + 2*d*hp + 2*hp*float64(t+1)
}

// StepArithmetic returns the useful operations of one distillation step of n
// tokens at sequence length t with every weight training: teacher forward,
// student forward and backward.
func StepArithmetic(teacher, student *Config, n, t int) float64 {
	tb, th := teacher.Arithmetic(t)
	sb, sh := student.Arithmetic(t)
	return float64(n) * (tb + th + 3*(sb+sh))
}
