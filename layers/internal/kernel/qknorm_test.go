package kernel

import (
	"fmt"
	"math"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

var qkNormSizes = []QKNormSize{{1, 1, 1, 2}, {7, 4, 2, 6}, {65, 3, 1, 16}, {130, 2, 2, 9}}

func TestQKNormGradientMatchesFiniteDifferences(t *testing.T) {
	for _, s := range qkNormSizes {
		in := []*tensor.Tensor{random[float64](1, 1, s.N, s.width()), random[float64](2, 1, s.P), random[float64](3, 1, s.P)}
		checkGrad(t, NewQKNorm[float64](nil, s, 1e-5), in, nil, []bool{false, true, true})
	}
}

func TestQKNormWithFrozenWeightsLeavesThemAlone(t *testing.T) {
	s := qkNormSizes[1]
	k := NewQKNorm[float64](nil, s, 1e-5)
	in := []*tensor.Tensor{random[float64](1, 1, s.N, s.width()), random[float64](2, 1, s.P), random[float64](3, 1, s.P)}
	checkGrad(t, k, in, []bool{true, false, false}, nil)
	checkGrad(t, k, in, []bool{false, true, false}, []bool{false, true, false})
}

func TestQKNormMatchesTheLoop(t *testing.T) {
	for _, s := range qkNormSizes {
		x, wq, wk := random[float32](1, 1, s.N, s.width()), random[float32](2, 1, s.P), random[float32](3, 1, s.P)
		y := tensor.New(tensor.F32, s.N, s.width())
		NewQKNorm[float32](parallel.New(2), s, 1e-6).Forward(y, []*tensor.Tensor{x, wq, wk})
		want := append([]float32(nil), tensor.Data[float32](x)...)
		for i := range s.N {
			for h := range s.H + s.G {
				w := tensor.Data[float32](wq)
				if h >= s.H {
					w = tensor.Data[float32](wk)
				}
				head, sum := want[i*s.width()+h*s.P:][:s.P], 0.0
				for _, v := range head {
					sum += float64(v) * float64(v)
				}
				for j, v := range head {
					head[j] = float32(float64(v) * float64(w[j]) / math.Sqrt(sum/float64(s.P)+1e-6))
				}
			}
		}
		near(t, fmt.Sprint(s), tensor.Data[float32](y), want, 1e-6)
	}
}

func TestQKNormAndScaleGiveTheSameBitsOnAnyNumberOfThreadsAndAllocateNothing(t *testing.T) {
	s := QKNormSize{N: 200, H: 4, G: 2, P: 16}
	in := []*tensor.Tensor{random[float32](1, 1, s.N, s.width()), random[float32](2, 1, s.P), random[float32](3, 1, s.P)}
	checkThreads(t, func(p *parallel.Pool) node { return NewQKNorm[float32](p, s, 1e-6) }, in)
	checkAllocs(t, NewQKNorm[float32](parallel.New(2), s, 1e-6), in)
	long := []*tensor.Tensor{random[float32](1, 1, 3*addBlock+5)}
	checkThreads(t, func(p *parallel.Pool) node { return NewScale[float32](p, 3*addBlock+5, 0.22) }, long)
	checkAllocs(t, NewScale[float32](parallel.New(2), 3*addBlock+5, 0.22), long)
}

func TestScaleGradientMatchesFiniteDifferences(t *testing.T) {
	for _, n := range []int{1, 31, addBlock + 3} {
		checkGrad(t, NewScale[float64](nil, n, -1.75), []*tensor.Tensor{random[float64](1, 1, n)}, nil, nil)
	}
}
