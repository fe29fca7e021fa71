package kernel

import (
	"math"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// checkDiscarded runs k twice, as on two micro-batches, into a gradient of input
// 1 that was cleared and into one that was discarded with NaN in it, and wants
// the same bits after both.
func checkDiscarded(t *testing.T, k node, in []*tensor.Tensor) {
	t.Helper()
	if o, ok := k.(interface{ Overwrites(int) bool }); !ok || !o.Overwrites(1) || o.Overwrites(0) {
		t.Fatalf("%s: does not say that it overwrites its weight alone", k.Name())
	}
	out, gout := tensor.New(tensor.F32, k.OutShape()...), random[float32](99, 1, k.OutShape()...)
	cleared, discarded := make([]*tensor.Tensor, len(in)), make([]*tensor.Tensor, len(in))
	cleared[1], discarded[1] = tensor.New(tensor.F32, in[1].Shape()...), tensor.New(tensor.F32, in[1].Shape()...)
	for i, d := 0, tensor.Data[float32](discarded[1]); i < len(d); i++ {
		d[i] = float32(math.NaN())
	}
	discarded[1].Discard()
	for pass := range 2 {
		for _, gin := range [][]*tensor.Tensor{cleared, discarded} {
			k.Forward(out, in)
			k.Backward(gin, gout, out, in)
		}
		got, want := checksum(tensor.Data[float32](discarded[1])), checksum(tensor.Data[float32](cleared[1]))
		if got != want {
			t.Errorf("%s, pass %d: the gradient that was discarded has other bits than the one that was cleared", k.Name(), pass+1)
		}
	}
}

func TestADiscardedGradientIsOverwrittenWithTheBitsOfASum(t *testing.T) {
	p := parallel.New(2)
	defer p.Close()
	for _, n := range []int{0, 1, 200, 700} {
		checkDiscarded(t, NewLinear[float32](p, n, 96, 130, LinearOptions{}),
			[]*tensor.Tensor{random[float32](1, 1, n, 96), random[float32](2, 1, 130, 96)})
		checkDiscarded(t, NewEmbedding[float32](p, n, 130, 96), []*tensor.Tensor{randomIDs(5, n, 130), random[float32](2, 1, 130, 96)})
	}
	size := HeadLossSize{N: 70, D: 24, V: 130}
	k := NewHeadLoss[float32](p, size, []Term{{Kind: CrossEntropy, Weight: 1}}, HeadLossOptions{Grad: true, GradHead: true})
	checkDiscarded(t, k, headInputs[float32](size, false, true))
}

func TestAHeadLossOfMaskedRowsLeavesADiscardedGradientDiscarded(t *testing.T) {
	size := HeadLossSize{N: 10, D: 4, V: 7}
	k := NewHeadLoss[float32](nil, size, []Term{{Kind: CrossEntropy, Weight: 1}}, HeadLossOptions{Grad: true, GradHead: true})
	in := headInputs[float32](size, false, false)
	in[3].Zero()
	out, gout, g := tensor.New(tensor.F32), tensor.From([]float32{1}), tensor.New(tensor.F32, size.V, size.D)
	g.Discard()
	k.Forward(out, in)
	k.Backward([]*tensor.Tensor{nil, g, nil, nil}, gout, out, in)
	if !g.Take() {
		t.Error("the gradient of no row was taken for something")
	}
}
