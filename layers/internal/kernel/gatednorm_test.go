package kernel

import (
	"math"
	"testing"

	"stillhouse/layers/tensor"
)

// TestTheGateComesBeforeTheNormOfEachGroup and the gradients are those of
// differences; a gradient of w is added to.
func TestTheGateComesBeforeTheNormOfEachGroup(t *testing.T) {
	const e, eps = 12, 1e-5
	data := func(seed uint64) []float64 { return tensor.Data[float64](random[float64](seed, 1, e)) }
	for _, groups := range []int{1, 3, 12} {
		g := gatedNorm[float64]{E: e, groups: groups, eps: eps}
		y, z, w, dout := data(1), data(2), data(3), data(4)
		pass := func() (out, r []float64) {
			out, r = make([]float64, e), make([]float64, groups)
			g.forward(out, r, make([]float64, e), y, z, w)
			return out, r
		}
		want := make([]float64, e)
		for i := range want {
			square, n := 0.0, e/groups
			for j := i / n * n; j < i/n*n+n; j++ {
				v := y[j] * z[j] / (1 + math.Exp(-z[j]))
				square += v * v / float64(n)
			}
			want[i] = w[i] * y[i] * z[i] / (1 + math.Exp(-z[i])) / math.Sqrt(square+eps)
		}
		got, r := pass()
		near(t, "gated norm", got, want, 1e-12)

		dy, dz, dw := make([]float64, e), make([]float64, e), make([]float64, e)
		for i := range dw {
			dw[i] = 7
		}
		g.backward(dy, dz, dw, make([]float64, e), make([]float64, e), dout, y, z, w, r)
		loss := func() (s float64) {
			out, _ := pass()
			for i, v := range out {
				s += dout[i] * v
			}
			return s
		}
		for _, c := range []struct {
			name    string
			x, grad []float64
			base    float64
		}{{"y", y, dy, 0}, {"z", z, dz, 0}, {"w", w, dw, 7}} {
			for i := range c.x {
				const h = 1e-5
				old := c.x[i]
				c.x[i] = old + h
				up := loss()
				c.x[i] = old - h
				down := loss()
				c.x[i] = old
				if num := (up - down) / (2 * h); math.Abs(num-(c.grad[i]-c.base)) > 1e-6*(1+math.Abs(num)) {
					t.Errorf("%d groups: %s[%d]: got %v, differences say %v", groups, c.name, i, c.grad[i]-c.base, num)
				}
			}
		}
	}
}
