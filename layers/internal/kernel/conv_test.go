package kernel

import (
	"math"
	"testing"

	"stillhouse/layers/tensor"
)

// convPass runs a convolution over T rows of x, ld apart, with document starts.
func convPass(v *conv[float64], x []float64, ld, times int, starts []int32) []float64 {
	y := make([]float64, times*v.C)
	for t := range times {
		v.row(y[t*v.C:(t+1)*v.C], x, ld, t, int(starts[t]))
	}
	return y
}

// TestConvIsTheSumOfItsTapsAndItsGradientTheDifferences: any number of taps, rows
// with a gap between them, documents shorter than the taps reach.
func TestConvIsTheSumOfItsTapsAndItsGradientTheDifferences(t *testing.T) {
	const times, channels, ld = 11, 5, 8
	starts := []int32{0, 0, 0, 0, 0, 5, 6, 6, 6, 6, 6}
	for taps := 1; taps <= 6; taps++ {
		x, w := random[float64](1, 1, times, ld), random[float64](2, 1, channels, 1, taps)
		b, r := random[float64](3, 1, channels), random[float64](4, 1, times, channels)
		xs, ws, bs, dy := tensor.Data[float64](x), tensor.Data[float64](w), tensor.Data[float64](b), tensor.Data[float64](r)
		v := &conv[float64]{C: channels, K: taps}
		v.load(ws, bs)
		want := make([]float64, times*channels)
		for i := range want {
			u, c := i/channels, i%channels
			want[i] = bs[c]
			for k := range taps {
				if from := u - (taps - 1) + k; from >= int(starts[u]) {
					want[i] += ws[c*taps+k] * xs[from*ld+c]
				}
			}
		}
		near(t, "conv", convPass(v, xs, ld, times, starts), want, 1e-13)

		dx, partial := make([]float64, times*channels), make([]float64, (taps+1)*channels)
		for u := range times {
			v.rowBackward(dx[u*channels:(u+1)*channels], dy, u, 0, times, starts)
			v.weightBackward(partial[:taps*channels], partial[taps*channels:], dy[u*channels:(u+1)*channels], xs, ld, u, int(starts[u]))
		}
		dw, db := make([]float64, len(ws)), make([]float64, channels)
		v.store(dw, db, partial)
		differ := func(what string, p []float64, i int, got float64) {
			t.Helper()
			loss := func() (s float64) {
				v.load(ws, bs)
				for j, y := range convPass(v, xs, ld, times, starts) {
					s += dy[j] * y
				}
				return s
			}
			const h = 1e-4 // the loss is linear in each: any step would do
			old := p[i]
			p[i] = old + h
			up := loss()
			p[i] = old - h
			down := loss()
			p[i] = old
			if d := math.Abs((up-down)/(2*h) - got); d > 1e-9 {
				t.Errorf("%d taps: %s[%d]: got %v, differences say %v", taps, what, i, got, (up-down)/(2*h))
			}
		}
		for i, g := range dx {
			differ("x", xs, i/channels*ld+i%channels, g)
		}
		for i, g := range dw {
			differ("w", ws, i, g)
		}
		for i, g := range db {
			differ("b", bs, i, g)
		}
	}
}
