package kernel

import (
	"fmt"
	"math"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// headInputs returns the inputs of a HeadLoss: every fifth row has weight 0
// when masked, every fourth no label.
func headInputs[T tensor.Float](size HeadLossSize, teacher, masked bool) []*tensor.Tensor {
	in := []*tensor.Tensor{random[T](1, 1, size.N, size.D), random[T](2, 0.7, size.V, size.D)}
	if teacher {
		in = append(in, random[T](3, 1, size.N, size.TeacherD), random[T](4, 0.7, size.V, size.TeacherD))
	}
	labels, weight := tensor.New(tensor.I32, size.N), tensor.New(tensor.TypeOf[T](), size.N)
	for i := range size.N {
		tensor.Data[int32](labels)[i] = int32(7 * i % size.V)
		if i%4 == 2 {
			tensor.Data[int32](labels)[i] = -1
		}
		if !masked || i%5 != 3 {
			tensor.Data[T](weight)[i] = T(1+i%3) / T(2*size.N)
		}
	}
	return append(in, labels, weight)
}

// naiveHeadLoss forms all logits and adds up naiveLoss, in float64.
func naiveHeadLoss[T tensor.Float](size HeadLossSize, terms []Term, in []*tensor.Tensor) (loss float64, sums []float64) {
	logits := func(h, w *tensor.Tensor, n int) []float64 {
		d := h.Dim(1)
		l := make([]float64, size.V)
		for v := range l {
			for j := range d {
				l[v] += float64(tensor.Data[T](h)[n*d+j]) * float64(tensor.Data[T](w)[v*d+j])
			}
		}
		return l
	}
	labels, weight := tensor.Data[int32](in[len(in)-2]), tensor.Data[T](in[len(in)-1])
	sums = make([]float64, len(terms))
	for n := range size.N {
		s := logits(in[0], in[1], n)
		var t []float64
		if len(in) == 6 {
			t = logits(in[2], in[3], n)
		}
		for j, term := range terms {
			sums[j] += float64(weight[n]) * naiveLoss(term, s, t, labels[n])
		}
	}
	for j, term := range terms {
		loss += term.Weight * sums[j]
	}
	return loss, sums
}

// objectives are every single term and some mixtures.
func objectives() [][]Term {
	var o [][]Term
	for _, t := range everyKind() {
		o = append(o, []Term{t})
	}
	return append(o, everyKind(), []Term{{Kind: CrossEntropy, Weight: 0.2}, {Kind: ReverseKL, Weight: 0.8, Temperature: 2}},
		// A term of weight 0 is only watched.
		[]Term{{Kind: ReverseKL}, {Kind: ForwardKL, Weight: 1}}, []Term{{Kind: ReverseKL}})
}

func headMatchesNaive[T tensor.Float](t *testing.T, tol float64) {
	for _, size := range []HeadLossSize{{1, 1, 1, 1}, {7, 5, 9, 3}, {19, 8, 31, 8}, {70, 3, 65, 5}} {
		for _, terms := range objectives() {
			k := NewHeadLoss[T](nil, size, terms, HeadLossOptions{Chunk: 16})
			in, out := headInputs[T](size, k.HasTeacher(), true), tensor.New(tensor.TypeOf[T]())
			k.Forward(out, in)
			loss, sums := naiveHeadLoss[T](size, terms, in)
			near(t, fmt.Sprint(size, terms), tensor.Data[T](out), []T{T(loss)}, tol)
			near(t, fmt.Sprint(size, terms, " sums"), k.TermSums(), sums, tol)
		}
	}
}

func TestHeadLossMatchesLossesOverAllLogits(t *testing.T) {
	t.Run("float64", func(t *testing.T) { headMatchesNaive[float64](t, 1e-8) }) // softplus cuts off at 2e-9
	t.Run("float32", func(t *testing.T) { headMatchesNaive[float32](t, 1e-5) })
}

func TestHeadLossBackwardMatchesFiniteDifference(t *testing.T) {
	size := HeadLossSize{N: 19, D: 6, V: 23, TeacherD: 4}
	for _, masked := range []bool{false, true} {
		for _, terms := range objectives() {
			k := NewHeadLoss[float64](nil, size, terms, HeadLossOptions{Grad: true, GradHead: true, Chunk: 8})
			in := headInputs[float64](size, k.HasTeacher(), masked)
			want, acc := make([]bool, len(in)), make([]bool, len(in))
			want[0], want[1], acc[1] = true, true, true
			checkGrad(t, k, in, want, acc)
		}
	}
}

func TestHeadLossBackwardScalesByTheGradientOfItsOutput(t *testing.T) {
	size := HeadLossSize{N: 9, D: 4, V: 11, TeacherD: 4}
	k := NewHeadLoss[float64](nil, size, everyKind()[:1], HeadLossOptions{Grad: true, GradHead: true})
	in, out := headInputs[float64](size, true, true), tensor.New(tensor.F64)
	k.Forward(out, in)
	grads := func(gout float64) []float64 {
		gin := []*tensor.Tensor{tensor.New(tensor.F64, 9, 4), tensor.New(tensor.F64, 11, 4), nil, nil, nil, nil}
		k.Backward(gin, tensor.From([]float64{gout}), nil, nil)
		return append(append([]float64(nil), tensor.Data[float64](gin[0])...), tensor.Data[float64](gin[1])...)
	}
	one, three := grads(1), grads(3)
	for i := range one {
		one[i] *= 3
	}
	near(t, "three times the gradient", three, one, 1e-14)
}

// headPass runs forward and backward and returns loss, dh and dw.
func headPass(terms []Term, in []*tensor.Tensor) (loss, dh, dw []float64) {
	size := HeadLossSize{N: in[0].Dim(0), D: in[0].Dim(1), V: in[1].Dim(0), TeacherD: in[2].Dim(1)}
	k := NewHeadLoss[float64](nil, size, terms, HeadLossOptions{Grad: true, GradHead: true, Chunk: 4})
	out := tensor.New(tensor.F64)
	gin := []*tensor.Tensor{random[float64](9, 1, size.N, size.D), tensor.New(tensor.F64, size.V, size.D), nil, nil, nil, nil}
	k.Forward(out, in)
	k.Backward(gin, tensor.From([]float64{1}), nil, nil)
	return tensor.Data[float64](out), tensor.Data[float64](gin[0]), tensor.Data[float64](gin[1])
}

// weighted fills a weight tensor with 1/count in the rows that keep names.
func weighted(in []*tensor.Tensor, keep func(n int) bool) []*tensor.Tensor {
	w, count := tensor.Data[float64](in[5]), 0.0
	for n := range w {
		w[n] = 0
		if keep(n) {
			w[n] = 1
			count++
		}
	}
	for n := range w {
		w[n] /= count
	}
	return in
}

var mixed = []Term{{Kind: ReverseKL, Weight: 1, Temperature: 2}, {Kind: CrossEntropy, Weight: 0.5}}

func TestHeadLossOfMaskedRowsEqualsTheLossWithoutThem(t *testing.T) {
	in := weighted(headInputs[float64](HeadLossSize{20, 5, 13, 5}, true, false), func(n int) bool { return n < 10 })
	short := append([]*tensor.Tensor(nil), in...)
	for _, i := range []int{0, 2, 4, 5} {
		short[i] = in[i].Rows(0, 10)
	}
	loss, dh, dw := headPass(mixed, short)
	for n := 10; n < 20; n++ { // whatever stands in a masked row stays there
		tensor.Data[float64](in[0])[n*5], tensor.Data[float64](in[2])[n*5] = math.NaN(), math.Inf(1)
		tensor.Data[int32](in[4])[n] = 1 << 20
	}
	gotLoss, gotDh, gotDw := headPass(mixed, in)
	near(t, "loss", gotLoss, loss, 1e-15)
	near(t, "dh", gotDh, append(append([]float64(nil), dh...), make([]float64, 50)...), 1e-15)
	near(t, "dw", gotDw, dw, 1e-15)
}

func TestHeadLossOfScatteredMaskEqualsTheSumOfItsRows(t *testing.T) {
	in := weighted(headInputs[float64](HeadLossSize{23, 5, 13, 4}, true, false), func(n int) bool { return n%3 != 1 })
	loss, dh, dw := headPass(mixed, in)
	var sum float64
	wantDh, wantDw := []float64(nil), make([]float64, len(dw))
	for n := range 23 {
		one := append([]*tensor.Tensor(nil), in...)
		for _, i := range []int{0, 2, 4, 5} {
			one[i] = in[i].Rows(n, n+1)
		}
		l, h, w := headPass(mixed, one)
		sum += l[0]
		wantDh = append(wantDh, h...)
		for i := range w {
			wantDw[i] += w[i]
		}
	}
	near(t, "loss", loss, []float64{sum}, 1e-14)
	near(t, "dh", dh, wantDh, 1e-14)
	near(t, "dw", dw, wantDw, 1e-14)
}

func TestHeadLossOfARepeatedSequenceIsTheSameMean(t *testing.T) {
	// Summing over time and dividing by the batch alone would double it.
	in := weighted(headInputs[float64](HeadLossSize{9, 5, 13, 5}, true, false), func(int) bool { return true })
	loss, _, dw := headPass(mixed, in)
	twice := append([]*tensor.Tensor(nil), in...)
	for _, i := range []int{0, 2} {
		d := tensor.Data[float64](in[i])
		twice[i] = tensor.From(append(append([]float64(nil), d...), d...), 18, in[i].Dim(1))
	}
	labels := tensor.Data[int32](in[4])
	twice[4] = tensor.From(append(append([]int32(nil), labels...), labels...), 18)
	twice[5] = tensor.New(tensor.F64, 18)
	gotLoss, _, gotDw := headPass(mixed, weighted(twice, func(int) bool { return true }))
	near(t, "loss", gotLoss, loss, 1e-14)
	near(t, "dw", gotDw, dw, 1e-14)
}

func TestHeadLossGradientsAreOfTheLastForwardAlone(t *testing.T) {
	size := HeadLossSize{11, 3, 7, 3}
	k := NewHeadLoss[float64](nil, size, mixed, HeadLossOptions{Grad: true, GradHead: true, Chunk: 4})
	in, out := headInputs[float64](size, true, true), tensor.New(tensor.F64)
	grads := func(forwards int) []float64 {
		gin := []*tensor.Tensor{tensor.New(tensor.F64, 11, 3), tensor.New(tensor.F64, 7, 3), nil, nil, nil, nil}
		for range forwards {
			k.Forward(out, in)
		}
		k.Backward(gin, tensor.From([]float64{1}), out, in)
		return append(append([]float64(nil), tensor.Data[float64](gin[0])...), tensor.Data[float64](gin[1])...)
	}
	near(t, "gradients", grads(3), grads(1), 0)
}

func TestHeadLossOfNoRowsIsZeroAndForgetsTheStepBefore(t *testing.T) {
	size := HeadLossSize{6, 3, 7, 3}
	k := NewHeadLoss[float64](nil, size, mixed, HeadLossOptions{Grad: true, GradHead: true})
	in, out := headInputs[float64](size, true, false), tensor.New(tensor.F64)
	k.Forward(out, in)
	in[5].Zero()
	k.Forward(out, in)
	gin := []*tensor.Tensor{random[float64](1, 1, 6, 3), tensor.New(tensor.F64, 7, 3), nil, nil, nil, nil}
	k.Backward(gin, tensor.From([]float64{1}), out, in)
	near(t, "loss", tensor.Data[float64](out), []float64{0}, 0)
	near(t, "dh", tensor.Data[float64](gin[0]), make([]float64, 18), 0)
	near(t, "dw", tensor.Data[float64](gin[1]), make([]float64, 21), 0)
}

func TestHeadLossRecordsEachRowForEvaluation(t *testing.T) {
	size := HeadLossSize{21, 6, 17, 4}
	for _, terms := range [][]Term{{{Kind: CrossEntropy, Weight: 1}}, mixed} {
		k := NewHeadLoss[float64](nil, size, terms, HeadLossOptions{NeedTeacher: true, Stats: true, Chunk: 8})
		in, out := headInputs[float64](size, true, true), tensor.New(tensor.F64)
		copy(tensor.Data[float64](in[0])[:4], tensor.Data[float64](in[2])[:4])
		k.Forward(out, in)
		var ce float64
		for n := range size.N {
			logits := [2][]float64{make([]float64, size.V), make([]float64, size.V)}
			best := [2]int{}
			for m, l := range logits {
				h, w := in[2*m], in[2*m+1]
				for v := range l {
					for j := range h.Dim(1) {
						l[v] += tensor.Data[float64](h)[n*h.Dim(1)+j] * tensor.Data[float64](w)[v*h.Dim(1)+j]
					}
					if l[v] > l[best[m]] {
						best[m] = v
					}
				}
			}
			label := tensor.Data[int32](in[4])[n]
			want := []float64{naiveLoss(Term{Kind: CrossEntropy}, logits[0], logits[1], label),
				naiveLoss(Term{Kind: ForwardKL}, logits[0], logits[1], -1), naiveLoss(Term{Kind: ReverseKL}, logits[0], logits[1], -1)}
			agree := best[0] == best[1]
			if tensor.Data[float64](in[5])[n] == 0 {
				want, agree = make([]float64, 3), false
			}
			near(t, fmt.Sprint("row ", n), []float64{k.RowCE[n], k.RowKL[n], k.RowReverseKL[n]}, want, 1e-12)
			if k.RowAgree[n] != agree {
				t.Errorf("row %d: got agreement %v, want %v", n, k.RowAgree[n], agree)
			}
			ce += tensor.Data[float64](in[5])[n] * k.RowCE[n]
		}
		if got := k.TermSums()[len(terms)-1]; math.Abs(got-ce) > 1e-12 { // cross entropy is last
			t.Errorf("got term sum %v, rows say %v", got, ce)
		}
	}
}

func TestHeadLossIsBitIdenticalAtAnyNumberOfThreads(t *testing.T) {
	size := HeadLossSize{N: 150, D: 24, V: 131, TeacherD: 16}
	opt := HeadLossOptions{Grad: true, GradHead: true, Chunk: 32}
	for _, terms := range objectives() {
		in := headInputs[float32](size, NewHeadLoss[float32](nil, size, terms, opt).HasTeacher(), true)
		checkThreads(t, func(p *parallel.Pool) node { return NewHeadLoss[float32](p, size, terms, opt) }, in)
	}
}

func TestHeadLossAllocatesNothing(t *testing.T) {
	p := parallel.New(2)
	defer p.Close()
	size := HeadLossSize{N: 70, D: 8, V: 31, TeacherD: 8}
	for _, terms := range [][]Term{everyKind()[:1], everyKind()} {
		for _, stats := range []bool{false, true} {
			opt := HeadLossOptions{Grad: true, GradHead: true, Chunk: 32, Stats: stats}
			checkAllocs(t, NewHeadLoss[float32](p, size, terms, opt), headInputs[float32](size, true, true))
		}
	}
}

func TestHeadLossChunksAreBoundedByMemoryAndByReuse(t *testing.T) {
	for _, c := range []struct{ v, min, max int }{{97, 512, 512}, {8192, 256, 256}, {150000, 128, 128}} {
		if got := headChunk(0, c.v); got < c.min || got > c.max {
			t.Errorf("V=%d: got %d rows, want %d to %d", c.v, got, c.min, c.max)
		}
	}
	if got := headChunk(7, 97); got != 7 {
		t.Errorf("got %d rows, want the 7 asked for", got)
	}
}

func benchmarkHeadLoss(b *testing.B, v, chunk int, terms []Term) {
	p := parallel.New(0)
	defer p.Close()
	size := HeadLossSize{N: 2048, D: 256, V: v, TeacherD: 256}
	k := NewHeadLoss[float32](p, size, terms, HeadLossOptions{Grad: true, GradHead: true, Chunk: chunk})
	in, out := headInputs[float32](size, true, false), tensor.New(tensor.F32)
	gin := []*tensor.Tensor{tensor.New(tensor.F32, 2048, 256), tensor.New(tensor.F32, v, 256), nil, nil, nil, nil}
	seed := tensor.From([]float32{1})
	b.ReportAllocs()
	for b.Loop() {
		k.Forward(out, in)
		k.Backward(gin, seed, out, in)
	}
	// Four GEMMs: two logits, dh, dw.
	b.ReportMetric(4*2*2048*256*float64(v)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkHeadLoss(b *testing.B) {
	for _, v := range []int{512, 8192} {
		for _, chunk := range []int{0, 64, 512} {
			b.Run(fmt.Sprintf("V=%d/chunk=%d", v, chunk), func(b *testing.B) { benchmarkHeadLoss(b, v, chunk, everyKind()[:1]) })
		}
	}
}

// BenchmarkRowLoss measures the losses alone, per logit.
func BenchmarkRowLoss(b *testing.B) {
	const v = 8192
	s, te := tensor.Data[float32](random[float32](1, 2, v)), tensor.Data[float32](random[float32](2, 2, v))
	g, p, q := make([]float32, v), make([]float32, v), make([]float32, v)
	for _, term := range []Term{{Kind: ReverseKL}, {Kind: ForwardKL}, {Kind: JSD, Beta: 0.5}, {Kind: CrossEntropy}} {
		b.Run(term.Kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				row(&term, g, s, te, 3, 1, p, q)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/v, "ns/logit")
		})
	}
}
