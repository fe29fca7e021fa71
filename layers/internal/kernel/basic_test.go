package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// oddSizes crosses the vector widths and the row blocks.
var oddSizes = []struct{ n, in, out int }{{1, 1, 1}, {7, 9, 5}, {64, 8, 31}, {65, 33, 17}, {130, 12, 40}}

func TestLinearGradientMatchesFiniteDifferences(t *testing.T) {
	for _, s := range oddSizes {
		for _, o := range []LinearOptions{{}, {Bias: true}, {Residual: true}, {Bias: true, Residual: true}} {
			in := []*tensor.Tensor{random[float64](1, 1, s.n, s.in), random[float64](2, 1, s.out, s.in)}
			acc := []bool{false, true}
			if o.Bias {
				in, acc = append(in, random[float64](3, 1, s.out)), append(acc, true)
			}
			if o.Residual {
				in, acc = append(in, random[float64](4, 1, s.n, s.out)), append(acc, false)
			}
			checkGrad(t, NewLinear[float64](nil, s.n, s.in, s.out, o), in, nil, acc)
		}
	}
}

func TestLinearMatchesTheLoop(t *testing.T) {
	for _, s := range oddSizes {
		x, w := random[float32](1, 1, s.n, s.in), random[float32](2, 1, s.out, s.in)
		b, r := random[float32](3, 1, s.out), random[float32](4, 1, s.n, s.out)
		y, want := tensor.New(tensor.F32, s.n, s.out), make([]float32, s.n*s.out)
		NewLinear[float32](nil, s.n, s.in, s.out, LinearOptions{true, true}).Forward(y, []*tensor.Tensor{x, w, b, r})
		for i := range s.n {
			for j := range s.out {
				sum := float64(tensor.Data[float32](b)[j]) + float64(tensor.Data[float32](r)[i*s.out+j])
				for q := range s.in {
					sum += float64(tensor.Data[float32](x)[i*s.in+q]) * float64(tensor.Data[float32](w)[j*s.in+q])
				}
				want[i*s.out+j] = float32(sum)
			}
		}
		near(t, fmt.Sprint(s), tensor.Data[float32](y), want, 1e-6*math.Sqrt(float64(s.in)))
	}
}

func TestRMSNormGradientMatchesFiniteDifferences(t *testing.T) {
	for _, s := range oddSizes {
		in := []*tensor.Tensor{random[float64](1, 1, s.n, s.in), random[float64](2, 1, s.in)}
		checkGrad(t, NewRMSNorm[float64](nil, s.n, s.in, 1e-5), in, nil, []bool{false, true})
	}
}

func TestSwiGLUGradientMatchesFiniteDifferences(t *testing.T) {
	for _, s := range oddSizes {
		checkGrad(t, NewSwiGLU[float64](nil, s.n, s.in), []*tensor.Tensor{random[float64](1, 2, s.n, 2*s.in)}, nil, nil)
	}
}

func TestEmbeddingGradientMatchesFiniteDifferences(t *testing.T) {
	for _, s := range oddSizes {
		in := []*tensor.Tensor{randomIDs(5, s.n, s.out), random[float64](1, 1, s.out, s.in)}
		checkGrad(t, NewEmbedding[float64](nil, s.n, s.out, s.in), in, nil, []bool{false, true})
	}
}

func TestEmbeddingNamesAnIDOutsideTheTable(t *testing.T) {
	defer func() {
		if r := recover(); r != "kernel: Embedding: id 9 at position 1 is outside the vocabulary of 9" {
			t.Errorf("got panic %v", r)
		}
	}()
	k := NewEmbedding[float32](nil, 2, 9, 4)
	k.Forward(tensor.New(tensor.F32, 2, 4), []*tensor.Tensor{tensor.From([]int32{8, 9}, 2), tensor.New(tensor.F32, 9, 4)})
}

func TestGateGradientMatchesFiniteDifferences(t *testing.T) {
	in := []*tensor.Tensor{random[float64](1, 1, 3, 5, 7), random[float64](2, 1, 3)}
	checkGrad(t, NewGate[float64](nil, 3, 5, 7), in, nil, nil)
}

func TestAddNIsTheSumOfItsInputs(t *testing.T) {
	for _, n := range []int{0, 1, 17, addBlock + 3} {
		a, b, c := random[float64](1, 1, n), random[float64](2, 1, n), random[float64](3, 1, n)
		y, want := tensor.New(tensor.F64, n), make([]float64, n)
		NewAddN[float64](parallel.New(2), n, 3).Forward(y, []*tensor.Tensor{a, b, c})
		for i := range want {
			want[i] = tensor.Data[float64](a)[i] + tensor.Data[float64](b)[i] + tensor.Data[float64](c)[i]
		}
		near(t, fmt.Sprint(n), tensor.Data[float64](y), want, 1e-15)
	}
}

func TestBasicKernelsGiveTheSameBitsOnAnyNumberOfThreads(t *testing.T) {
	n, in, out := 200, 96, 130
	x, w := random[float32](1, 1, n, in), random[float32](2, 1, out, in)
	checkThreads(t, func(p *parallel.Pool) node { return NewLinear[float32](p, n, in, out, LinearOptions{Bias: true}) },
		[]*tensor.Tensor{x, w, random[float32](3, 1, out)})
	checkThreads(t, func(p *parallel.Pool) node { return NewRMSNorm[float32](p, n, in, 1e-5) },
		[]*tensor.Tensor{x, random[float32](4, 1, in)})
	checkThreads(t, func(p *parallel.Pool) node { return NewSwiGLU[float32](p, n, in/2) }, []*tensor.Tensor{x})
	checkThreads(t, func(p *parallel.Pool) node { return NewEmbedding[float32](p, n, out, in) },
		[]*tensor.Tensor{randomIDs(5, n, out), w})
}

func TestBasicKernelsAllocateNothing(t *testing.T) {
	p := parallel.New(2)
	n, in, out := 200, 96, 130
	x, w := random[float32](1, 1, n, in), random[float32](2, 1, out, in)
	checkAllocs(t, NewLinear[float32](p, n, in, out, LinearOptions{Bias: true}), []*tensor.Tensor{x, w, random[float32](3, 1, out)})
	checkAllocs(t, NewRMSNorm[float32](p, n, in, 1e-5), []*tensor.Tensor{x, random[float32](4, 1, in)})
	checkAllocs(t, NewSwiGLU[float32](p, n, in/2), []*tensor.Tensor{x})
	checkAllocs(t, NewEmbedding[float32](p, n, out, in), []*tensor.Tensor{randomIDs(5, n, out), w})
	checkAllocs(t, NewGate[float32](p, 4, n/4, in), []*tensor.Tensor{x, random[float32](6, 1, 4)})
}

// randomIDs returns n ids below v.
func randomIDs(seed uint64, n, v int) *tensor.Tensor {
	t := tensor.New(tensor.I32, n)
	r := rand.New(rand.NewPCG(seed, 2))
	for i := range tensor.Data[int32](t) {
		tensor.Data[int32](t)[i] = int32(r.IntN(v))
	}
	return t
}

// randomStarts cuts each of b rows of t tokens into documents.
func randomStarts(seed uint64, b, t int) *tensor.Tensor {
	s := tensor.New(tensor.I32, b, t)
	r := rand.New(rand.NewPCG(seed, 3))
	for i := range b {
		from := 0
		for j := range t {
			if j > 0 && r.IntN(max(3, t/3)) == 0 {
				from = j
			}
			tensor.Data[int32](s)[i*t+j] = int32(from)
		}
	}
	return s
}
