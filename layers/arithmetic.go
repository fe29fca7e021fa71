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
	ops := c.ArithmeticByOp(t)
	for _, o := range bodyOps {
		body += ops[o]
	}
	return body, ops[opHead]
}

// The names under which kernels do the work that counts.
const (
	opLinear = "linear"
	opHead   = "head_loss"
)

// bodyOps are the operations of a model's body that count, in the order to sum.
var bodyOps = [...]string{opLinear, string(KindAttention), string(KindMamba2), string(KindMamba1)}

// ArithmeticByOp returns the useful operations of one token's forward pass by
// the name of the operation that does them, as profiles call it.
func (c *Config) ArithmeticByOp(t int) map[string]float64 {
	d := float64(c.HiddenSize)
	ops := map[string]float64{opHead: 2 * float64(c.VocabSize) * d}
	for _, m := range c.Mixers {
		if m.Kind == KindIdentity {
			continue
		}
		projections, mixing := c.mixerArithmetic(m, t)
		ops[opLinear] += projections + 6*d*float64(c.Intermediate)
		ops[string(m.Kind)] += mixing
	}
	return ops
}

// mixerArithmetic parts a mixer's projections from what it does over time.
func (c *Config) mixerArithmetic(m Mixed, t int) (projections, mixing float64) {
	d := float64(c.HiddenSize)
	switch m.Kind {
	case KindMamba2:
		b := m.Mamba2
		e := float64(b.Inner())
		return 2*d*float64(b.ProjDim()) + 2*d*e, 5*e*float64(b.State) + 2*float64(b.Conv*b.ConvDim())
	case KindMamba1:
		b := m.Mamba1
		e, r := float64(b.Inner), float64(b.Rank)
		return 2*d*(2*e+2*float64(b.XB)) + 2*d*r + 2*r*e + 2*d*e, 5*e*float64(b.State) + 2*float64(b.Conv)*e
	}
	hp := float64(c.Heads * c.HeadDim)
	return 2*d*float64(c.QKVDim()) + 2*d*hp, 2 * hp * float64(t+1)
}

// OpOf names an operation of one of a step's two graphs, teacher or student.
type OpOf struct{ Graph, Op string }

// PassArithmetic is the useful operations of one operation, all calls together.
type PassArithmetic struct{ Forward, Backward float64 }

// StepArithmeticByOp returns the useful operations of one distillation step of n
// tokens at sequence length t with every weight training: teacher forward,
// student forward and backward. Both heads belong to the student's loss, whose
// forward pass makes its gradients too. A nil teacher counts nothing.
func StepArithmeticByOp(teacher, student *Config, n, t int) map[OpOf]PassArithmetic {
	work := map[OpOf]PassArithmetic{}
	for op, a := range student.ArithmeticByOp(t) {
		a *= float64(n)
		work[OpOf{"student", op}] = PassArithmetic{a, 2 * a}
		if op == opHead {
			work[OpOf{"student", op}] = PassArithmetic{Forward: 3 * a}
		}
	}
	if teacher == nil {
		return work
	}
	for op, a := range teacher.ArithmeticByOp(t) {
		a *= float64(n)
		if op != opHead {
			work[OpOf{"teacher", op}] = PassArithmetic{Forward: a}
			continue
		}
		head := OpOf{"student", opHead}
		work[head] = PassArithmetic{Forward: work[head].Forward + a}
	}
	return work
}

// StepArithmetic returns the sum of StepArithmeticByOp.
func StepArithmetic(teacher, student *Config, n, t int) float64 {
	sb, sh := student.Arithmetic(t)
	sum := 3 * (sb + sh)
	if teacher != nil {
		tb, th := teacher.Arithmetic(t)
		sum += tb + th
	}
	return float64(n) * sum
}
