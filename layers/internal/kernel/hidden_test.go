package kernel

import (
	"fmt"
	"math"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// hiddenInputs returns x, target and a weight that masks every third row.
func hiddenInputs[T tensor.Float](n, d int) []*tensor.Tensor {
	in := []*tensor.Tensor{random[T](1, 1, n, d), random[T](2, 1, n, d), tensor.New(tensor.TypeOf[T](), n)}
	for i, w := 0, tensor.Data[T](in[2]); i < n; i++ {
		if i%3 != 1 {
			w[i] = T(1+i) / T(n*n)
		}
	}
	return in
}

// naiveHidden is the loss as its definition reads.
func naiveHidden[T tensor.Float](kind HiddenKind, in []*tensor.Tensor) float64 {
	n, d := in[0].Dim(0), in[0].Dim(1)
	x, t, w := tensor.Data[T](in[0]), tensor.Data[T](in[1]), tensor.Data[T](in[2])
	var sum float64
	for i := range n {
		var sq, xx, tt, xt float64
		for j := i * d; j < (i+1)*d; j++ {
			a, b := float64(x[j]), float64(t[j])
			sq, xx, tt, xt = sq+(a-b)*(a-b), xx+a*a, tt+b*b, xt+a*b
		}
		l := sq / float64(d)
		if kind == Cosine {
			l = 1 - xt/math.Sqrt(xx*tt)
		}
		sum += float64(w[i]) * l
	}
	return sum
}

func TestHiddenMatchesItsDefinition(t *testing.T) {
	for _, kind := range []HiddenKind{MSE, Cosine} {
		for _, s := range [][2]int{{1, 1}, {5, 7}, {16, 8}, {33, 31}, {50, 65}} {
			in, out := hiddenInputs[float64](s[0], s[1]), tensor.New(tensor.F64)
			NewHidden[float64](nil, s[0], s[1], kind).Forward(out, in)
			near(t, fmt.Sprint(kind, s, " float64"), tensor.Data[float64](out), []float64{naiveHidden[float64](kind, in)}, 1e-13)
			in, out = hiddenInputs[float32](s[0], s[1]), tensor.New(tensor.F32)
			NewHidden[float32](nil, s[0], s[1], kind).Forward(out, in)
			near(t, fmt.Sprint(kind, s, " float32"), tensor.Data[float32](out), []float32{float32(naiveHidden[float32](kind, in))}, 1e-6)
		}
	}
}

func TestHiddenBackwardMatchesFiniteDifference(t *testing.T) {
	for _, kind := range []HiddenKind{MSE, Cosine} {
		checkGrad(t, NewHidden[float64](nil, 19, 7, kind), hiddenInputs[float64](19, 7), []bool{true, false, false}, nil)
	}
}

func TestHiddenCosineKeepsItsDigitsWhenTheStatesAlmostAgree(t *testing.T) {
	// Two vectors at the angle 1e-3: 1 - cos = 5e-7, where float32 has one digit left.
	x, target := []float32{1, 0}, []float32{float32(math.Cos(1e-3)), float32(math.Sin(1e-3))}
	in := []*tensor.Tensor{tensor.From(x, 1, 2), tensor.From(target, 1, 2), tensor.From([]float32{1}, 1)}
	out := tensor.New(tensor.F32)
	NewHidden[float32](nil, 1, 2, Cosine).Forward(out, in)
	if got, want := float64(tensor.Data[float32](out)[0]), 1-math.Cos(1e-3); math.Abs(got-want) > 1e-3*want {
		t.Errorf("got %g, want %g", got, want)
	}
}

func TestHiddenNeverReadsAMaskedRow(t *testing.T) {
	for _, kind := range []HiddenKind{MSE, Cosine} {
		in, out := hiddenInputs[float32](7, 5), tensor.New(tensor.F32)
		for j := range 5 {
			tensor.Data[float32](in[0])[1*5+j] = float32(math.NaN()) // row 1 has weight 0
		}
		k := NewHidden[float32](nil, 7, 5, kind)
		k.Forward(out, in)
		dx := random[float32](3, 1, 7, 5)
		k.Backward([]*tensor.Tensor{dx, nil, nil}, tensor.From([]float32{1}), out, in)
		for i, v := range append(tensor.Data[float32](dx), tensor.Data[float32](out)...) {
			if v != v || (i/5 == 1 && v != 0) {
				t.Errorf("%v: value %d is %v", kind, i, v)
			}
		}
	}
}

func TestHiddenCosineOfAZeroRowIsOneWithoutGradient(t *testing.T) {
	in := []*tensor.Tensor{tensor.New(tensor.F64, 1, 3), random[float64](1, 1, 1, 3), tensor.From([]float64{1}, 1)}
	out, dx := tensor.New(tensor.F64), random[float64](2, 1, 1, 3)
	k := NewHidden[float64](nil, 1, 3, Cosine)
	k.Forward(out, in)
	k.Backward([]*tensor.Tensor{dx, nil, nil}, tensor.From([]float64{1}), out, in)
	near(t, "loss", tensor.Data[float64](out), []float64{1}, 0)
	near(t, "gradient", tensor.Data[float64](dx), make([]float64, 3), 0)
}

func TestHiddenIsBitIdenticalAtAnyNumberOfThreadsAndAllocatesNothing(t *testing.T) {
	p := parallel.New(2)
	defer p.Close()
	in := hiddenInputs[float32](70, 33)
	for _, kind := range []HiddenKind{MSE, Cosine} {
		checkThreads(t, func(p *parallel.Pool) node { return NewHidden[float32](p, 70, 33, kind) }, in)
		checkAllocs(t, NewHidden[float32](p, 70, 33, kind), in)
	}
}

func TestSumScalarsIsTheWeightedSum(t *testing.T) {
	in := []*tensor.Tensor{tensor.From([]float64{2}), tensor.From([]float64{-3}), tensor.From([]float64{math.NaN()})}
	out := tensor.New(tensor.F64)
	k := NewSumScalars[float64](3, []float64{0.5, 2, 0})
	k.Forward(out, in)
	near(t, "sum", tensor.Data[float64](out), []float64{-5}, 0)
	checkGrad(t, k, []*tensor.Tensor{in[0], in[1], tensor.From([]float64{1})}, nil, nil)
	checkAllocs(t, k, in)
}
