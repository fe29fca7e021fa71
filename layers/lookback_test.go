package layers

import (
	"math"
	"math/rand/v2"
	"testing"

	"stillhouse/layers/tensor"
)

// TestTheLookBackDistanceIsThatOfTheAttentionItself: values that hold their own
// position make attention's output the mean position looked at.
func TestTheLookBackDistanceIsThatOfTheAttentionItself(t *testing.T) {
	for _, f := range features {
		m := featureModel(t, f.kinds, f.change, tensor.F64)
		a, ok := m.Blocks[0].Mixer.(*Attention)
		if !ok {
			continue
		}
		c, n := &m.Config, 13
		d, p := c.HiddenSize, c.HeadDim
		u, start := tensor.New(tensor.F64, n, d), tensor.New(tensor.I32, 1, n)
		Normal(u, 1, rand.New(rand.NewPCG(2, 2)))
		w := tensor.Data[float64](a.QKV.Value)
		for i := range n { // the last coordinate is the position, which v alone reads
			tensor.Data[float64](u)[i*d+d-1] = float64(i)
		}
		qk := (c.Heads + c.KVHeads) * p
		for r := range c.QKVDim() {
			w[r*d+d-1] = 0
			if r >= qk {
				clear(w[r*d : (r+1)*d])
				w[r*d+d-1] = 1
			}
		}
		if a.QKVBias != nil {
			clear(tensor.Data[float64](a.QKVBias.Value)[qk:])
		}
		y, err := innerOutput(nil, a, c, u, start)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float64, c.Heads)
		if rows := addLookBack(got, a, c, u, start); rows != float64(n) {
			t.Errorf("%s: %v rows", f.name, rows)
		}
		for h := range got {
			var want float64
			for i := range n {
				want += float64(i) - y[i*c.Heads*p+h*p]
			}
			if math.Abs(got[h]-want) > 1e-9 {
				t.Errorf("%s: head %d looks back %v in all, attention says %v", f.name, h, got[h], want)
			}
		}
	}
}

// TestDotsAreTheSumsOneByOne, to the last bit, for any number of rows.
func TestDotsAreTheSumsOneByOne(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const n, stride = 7, 9
	x, w := make([]float64, n), make([]float64, 11*stride)
	for _, s := range [][]float64{x, w} {
		for i := range s {
			s[i] = r.NormFloat64()
		}
	}
	for rows := range 11 {
		got := make([]float64, rows)
		dots(got, x, w, stride)
		for i, v := range got {
			var want float64
			for j := range x {
				want += x[j] * w[i*stride+j]
			}
			if v != want {
				t.Errorf("%d rows: row %d is %v, want %v", rows, i, v, want)
			}
		}
	}
}
