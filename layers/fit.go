package layers

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"stillhouse/layers/tensor"
)

// After a weight transfer the new mixer is still far from its teacher: its gate
// is noise, its decay arbitrary, its convolution scrambles what was copied.
// Fitting sets that freedom on a calibration set, in closed form:
//
//	convolution  the identity: the tap at the token itself is 1
//	A, Δ bias    Δ·|A| = 1/(1+d) per head, d the attention's mean look-back
//	W_z          ridge regression onto 1.278, where SiLU is 1: the gate is open
//	norm weight  the deviation of each channel of the attention's own output
//	out_proj     ridge regression of the teacher's mixer output on what the
//	             new mixer makes of the same inputs
type Calibration struct {
	In, Out []*tensor.Tensor // per batch: the teacher's mixer input (normed) and output, [N,D]
	Start   []*tensor.Tensor // per batch: document starts, I32 [B,T]
}

// Fit reports how well the closed forms did, as shares of the target's power
// left unexplained: 0 is perfect, 1 is no better than nothing.
type Fit struct {
	Gate   float64 `json:"gate_residual"`
	Output float64 `json:"output_residual"`
}

// openGate is the x with SiLU(x) = 1.
const openGate = 1.2784645427610738

// Ridge is added to the diagonal of the normal equations, relative to its mean.
const Ridge = 1e-4

// FitMamba2 fits a transferred Mamba2 to the attention it replaces.
func FitMamba2(p *Pool, m *Mamba2, a *Attention, c *Config, cal Calibration, ridge float64) (Fit, error) {
	look, err := attentionStatistics(p, a, c, cal)
	if err != nil {
		return Fit{}, err
	}
	identityConv(m.ConvW, m.ConvB)
	m.transferBias(a, c)
	fill(m.ALog.Value, func(int) float64 { return 0 }) // A = -1
	fill(m.DtBias.Value, func(h int) float64 { return invSoftplus(1 / (1 + look.distance[h])) })
	m.In.Value.Rows(m.Config.ProjDim()-m.Config.Heads, m.Config.ProjDim()).Zero()
	m.Skip.Value.Zero()
	fill(m.NormW.Value, func(i int) float64 { return look.deviation[i] })
	var fit Fit
	if fit.Gate, err = fitGate(m.In.Value.Rows(0, m.Config.Inner()), cal, c.HiddenSize, ridge); err != nil {
		return fit, err
	}
	fit.Output, err = fitOutput(p, m, m.Out, c, cal, ridge)
	return fit, err
}

// FitMamba1 fits a transferred Mamba1 to the attention it replaces.
func FitMamba1(p *Pool, m *Mamba1, a *Attention, c *Config, cal Calibration, ridge float64) (Fit, error) {
	look, err := attentionStatistics(p, a, c, cal)
	if err != nil {
		return Fit{}, err
	}
	identityConv(m.ConvW, m.ConvB)
	m.transferBias(a, c)
	m.ALog.Value.Zero()
	m.DtIn.Value.Zero()
	fill(m.DtBias.Value, func(i int) float64 { return invSoftplus(1 / (1 + look.distance[i/c.HeadDim])) })
	m.Skip.Value.Zero()
	var fit Fit
	if fit.Gate, err = fitGate(m.In.Value.Rows(0, m.Config.Inner), cal, c.HiddenSize, ridge); err != nil {
		return fit, err
	}
	fit.Output, err = fitOutput(p, m, m.Out, c, cal, ridge)
	return fit, err
}

// identityConv makes the convolution pass its input: the last tap is the token's.
func identityConv(w, b *Param) {
	k := w.Value.Dim(-1)
	fill(w.Value, func(i int) float64 {
		if i%k == k-1 {
			return 1
		}
		return 0
	})
	b.Value.Zero()
}

// fitGate sets every row of W_z [E,D] to the w that minimises
// Σ_n (w·u_n - openGate)² + λ|w|². It returns the mean square left, relative.
func fitGate(wz *tensor.Tensor, cal Calibration, d int, ridge float64) (float64, error) {
	n := newNormal(d, 1)
	for _, in := range cal.In {
		target := make([]float64, in.Dim(0))
		for i := range target {
			target[i] = openGate
		}
		n.add(mat.NewDense(in.Dim(0), d, float64s(in)), mat.NewDense(in.Dim(0), 1, target))
	}
	w, left, err := n.solve(ridge)
	if err != nil {
		return 0, fmt.Errorf("fit the gate: %w", err)
	}
	fill(wz, func(i int) float64 { return w.At(i%d, 0) })
	return left, nil
}

// fitOutput sets out_proj [D,E] by ridge regression of the teacher's mixer
// output on the mixer's inner output over the calibration set.
func fitOutput(p *Pool, m Mixer, out *Param, c *Config, cal Calibration, ridge float64) (float64, error) {
	d, e := out.Value.Dim(0), out.Value.Dim(1)
	n := newNormal(e, d)
	for i, in := range cal.In {
		y, err := innerOutput(p, m, c, in, cal.Start[i])
		if err != nil {
			return 0, err
		}
		n.add(mat.NewDense(in.Dim(0), e, y), mat.NewDense(in.Dim(0), d, float64s(cal.Out[i])))
	}
	w, left, err := n.solve(ridge)
	if err != nil {
		return 0, fmt.Errorf("fit out_proj: %w", err)
	}
	fill(out.Value, func(i int) float64 { return w.At(i%e, i/e) })
	return left, nil
}

// FitScratch returns about the bytes that a fit on batches of n tokens has in use
// at once, all in float64: inputs, inner outputs and targets of a batch, and the
// normal equations, those of the batch and their factor.
func FitScratch(c *Config, n int) int64 {
	d, e := int64(c.HiddenSize), int64(c.Heads*c.HeadDim)
	return 8 * (int64(n)*(2*d+2*e+int64(c.QKVDim())) + 4*e*(e+d))
}

// normal accumulates the normal equations of Y ≈ X·W: XᵀX [k,k] and XᵀY [k,m].
type normal struct {
	xx    *mat.SymDense
	xy    *mat.Dense
	power float64 // Σ Y²
}

func newNormal(k, m int) *normal {
	return &normal{xx: mat.NewSymDense(k, nil), xy: mat.NewDense(k, m, nil)}
}

func (n *normal) add(x, y *mat.Dense) {
	var xx mat.SymDense
	xx.SymOuterK(1, x.T())
	n.xx.AddSym(n.xx, &xx)
	var xy mat.Dense
	xy.Mul(x.T(), y)
	n.xy.Add(n.xy, &xy)
	for _, v := range y.RawMatrix().Data {
		n.power += v * v
	}
}

// solve returns W [k,m] and the share of Y's power left unexplained.
func (n *normal) solve(ridge float64) (*mat.Dense, float64, error) {
	k := n.xx.SymmetricDim()
	mean := mat.Trace(n.xx) / float64(k)
	if !(mean > 0) || math.IsInf(mean, 0) {
		return nil, 0, fmt.Errorf("the calibration inputs have power %g", mean)
	}
	reg := mat.NewSymDense(k, nil)
	reg.CopySym(n.xx)
	for i := range k {
		reg.SetSym(i, i, reg.At(i, i)+ridge*mean)
	}
	var chol mat.Cholesky
	if !chol.Factorize(reg) {
		return nil, 0, fmt.Errorf("normal equations of size %d are not positive definite (hint: raise student.mixer.fit.ridge)", k)
	}
	var w mat.Dense
	if err := chol.SolveTo(&w, n.xy); err != nil {
		return nil, 0, err
	}
	// |Y-XW|² = |Y|² - 2·tr(Wᵀ XᵀY) + tr(Wᵀ XᵀX W)
	var xw mat.Dense
	xw.Mul(n.xx, &w)
	left := n.power
	for i := range k {
		for j := range w.RawMatrix().Cols {
			left += w.At(i, j) * (xw.At(i, j) - 2*n.xy.At(i, j))
		}
	}
	return &w, left / n.power, nil
}

func float64s(t *tensor.Tensor) []float64 {
	c := tensor.New(tensor.F64, t.Shape()...)
	c.CopyFrom(t)
	return tensor.Data[float64](c)
}
