package kernel

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// topInputs are the inputs of a HeadLoss whose teacher is the top of in's.
func topInputs[T tensor.Float](size HeadLossSize, top int, terms []Term, in []*tensor.Tensor) []*tensor.Tensor {
	τs := Temperatures(terms)
	ids, values := tensor.New(tensor.I32, size.N, top), tensor.New(tensor.TypeOf[T](), size.N, TopKWidth(top, len(τs)))
	NewTopK[T](nil, size.N, size.TeacherD, size.V, top, τs).Run(tensor.Data[int32](ids), tensor.Data[T](values), tensor.Data[T](in[2]), tensor.Data[T](in[3]))
	return []*tensor.Tensor{in[0], in[1], ids, values, in[4], in[5]}
}

// withTeacher are the objectives that look at one.
func withTeacher() (os [][]Term) {
	for _, o := range objectives() {
		if len(Temperatures(o)) > 0 {
			os = append(os, o)
		}
	}
	return os
}

// naiveBuckets is a term over the tokens of top and one bucket for all others, by
// the definition, in float64.
func naiveBuckets(term Term, s, t []float64, top []int32) float64 {
	τ := term.temperature()
	merged := func(x []float64) (p []float64) {
		var z, rest float64
		for i, v := range x {
			e := math.Exp(v / τ)
			z += e
			if !slices.Contains(top, int32(i)) {
				rest += e
			}
		}
		for _, v := range top {
			p = append(p, math.Exp(x[v]/τ)/z)
		}
		if len(top) < len(x) {
			p = append(p, rest/z)
		}
		return p
	}
	kl := func(p, q []float64) (sum float64) {
		for i := range p {
			sum += p[i] * math.Log(p[i]/q[i])
		}
		return sum
	}
	q, p := merged(s), merged(t)
	switch term.Kind {
	case ReverseKL:
		return τ * τ * kl(q, p)
	case ForwardKL:
		return τ * τ * kl(p, q)
	}
	m := make([]float64, len(p))
	for i := range m {
		m[i] = term.Beta*p[i] + (1-term.Beta)*q[i]
	}
	return τ * τ * (term.Beta*kl(p, m) + (1-term.Beta)*kl(q, m))
}

func TestLossOfTheTeachersTopMatchesItsDefinition(t *testing.T) {
	size := HeadLossSize{N: 21, D: 6, V: 37, TeacherD: 5}
	for _, top := range []int{1, 4, 36, 37} {
		for _, terms := range withTeacher() {
			full := headInputs[float64](size, true, true)
			in := topInputs[float64](size, top, terms, full)
			k := NewHeadLoss[float64](nil, size, terms, HeadLossOptions{Top: top, Chunk: 16})
			k.Forward(tensor.New(tensor.F64), in)
			want := make([]float64, len(terms))
			for n := range size.N {
				s, te := rowLogits(full[0], full[1], n), rowLogits(full[2], full[3], n)
				for j, term := range terms {
					l := naiveLoss(term, s, te, tensor.Data[int32](full[4])[n])
					if term.Kind.NeedsTeacher() {
						l = naiveBuckets(term, s, te, tensor.Data[int32](in[2])[n*top:(n+1)*top])
					}
					want[j] += tensor.Data[float64](full[5])[n] * l
				}
			}
			near(t, fmt.Sprint(size, terms), k.TermSums(), want, 1e-12)
		}
	}
}

func rowLogits(h, w *tensor.Tensor, n int) []float64 {
	d := h.Dim(1)
	l := make([]float64, w.Dim(0))
	for v := range l {
		for j := range d {
			l[v] += tensor.Data[float64](h)[n*d+j] * tensor.Data[float64](w)[v*d+j]
		}
	}
	return l
}

func TestLossOfAllOfTheTeachersTokensIsTheFullLoss(t *testing.T) {
	size := HeadLossSize{N: 21, D: 6, V: 37, TeacherD: 5}
	opt := HeadLossOptions{Grad: true, GradHead: true, Chunk: 8}
	for _, terms := range withTeacher() {
		in := headInputs[float64](size, true, true)
		run := func(top int, in []*tensor.Tensor) (all []float64) {
			opt.Top = top
			k, out := NewHeadLoss[float64](nil, size, terms, opt), tensor.New(tensor.F64)
			k.Forward(out, in)
			gin := []*tensor.Tensor{tensor.New(tensor.F64, size.N, size.D), tensor.New(tensor.F64, size.V, size.D), nil, nil, nil, nil}
			k.Backward(gin, tensor.From([]float64{1}), nil, nil)
			return slices.Concat(tensor.Data[float64](out), k.TermSums(), tensor.Data[float64](gin[0]), tensor.Data[float64](gin[1]))
		}
		want := run(0, in)
		near(t, fmt.Sprint(terms), run(size.V, topInputs[float64](size, size.V, terms, in)), want, 1e-8) // jsd's softplus cuts off at 2e-9
	}
}

func TestLossOfTheTeachersTopBackwardMatchesFiniteDifference(t *testing.T) {
	size := HeadLossSize{N: 19, D: 6, V: 23, TeacherD: 4}
	for _, top := range []int{1, 5, 22, 23} {
		for _, terms := range withTeacher() {
			in := topInputs[float64](size, top, terms, headInputs[float64](size, true, true))
			k := NewHeadLoss[float64](nil, size, terms, HeadLossOptions{Grad: true, GradHead: true, Top: top, Chunk: 8})
			checkGrad(t, k, in, []bool{true, true, false, false, false, false}, []bool{false, true, false, false, false, false})
		}
	}
}

// TestLossOfTheTeachersTopNeverExceedsTheFullLoss, comes nearer with more of them
// and, in either type, is 0 to the last bit for a student that is the teacher.
func TestLossOfTheTeachersTopNeverExceedsTheFullLoss(t *testing.T) {
	for _, term := range everyKind() {
		if !term.Kind.NeedsTeacher() {
			continue
		}
		size, terms := HeadLossSize{N: 30, D: 8, V: 65, TeacherD: 8}, []Term{term}
		in := headInputs[float64](size, true, false)
		loss := func(top int) float64 {
			in := in
			if top > 0 {
				in = topInputs[float64](size, top, terms, in)
			}
			k := NewHeadLoss[float64](nil, size, terms, HeadLossOptions{Top: top})
			k.Forward(tensor.New(tensor.F64), in)
			return k.TermSums()[0]
		}
		last := 0.0
		for _, top := range []int{1, 2, 8, 32} {
			l := loss(top)
			if !(l > last && l < loss(0)) {
				t.Errorf("%v: the loss over %d is %v, over fewer %v, over all %v", term.Kind, top, l, last, loss(0))
			}
			last = l
		}
		near32 := headInputs[float32](size, true, false)
		near32[2], near32[3] = near32[0], near32[1]
		k, out := NewHeadLoss[float32](nil, size, terms, HeadLossOptions{Grad: true, Top: 8}), tensor.New(tensor.F32)
		k.Forward(out, topInputs[float32](size, 8, terms, near32))
		if k.TermSums()[0] != 0 {
			t.Errorf("%v of the teacher itself is %g", term.Kind, k.TermSums()[0])
		}
	}
}

// A student that gives the rest next to nothing has a finite loss and gradient.
func TestLossOfTheTeachersTopIsFiniteWhereTheRestVanishes(t *testing.T) {
	const v, top = 9, 2
	for _, apart := range []float32{50, 200, 1e4} {
		for _, term := range everyKind() {
			if !term.Kind.NeedsTeacher() {
				continue
			}
			s, g, q := make([]float32, v), make([]float32, v), make([]float32, v)
			s[3], s[5] = apart, apart-1
			loss := bucketRow(&term, g, s, []int32{5, 3}, []float32{2, 1}, 0.5, 1, q, newBucketScratch(nil, top))
			for i, x := range append(g, float32(loss)) {
				if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
					t.Errorf("%v, logits %v apart: %d is %v", term.Kind, apart, i, x)
				}
			}
		}
	}
}

func TestTopKFindsTheLargestInOrder(t *testing.T) {
	const n, d, v = 40, 5, 67
	x, w := random[float64](1, 1, n, d), random[float64](2, 1, v, d)
	for j := range d { // equal columns: the first comes first
		tensor.Data[float64](w)[20*d+j] = tensor.Data[float64](w)[3*d+j]
	}
	for _, k := range []int{1, 2, 7, 66, 67} {
		ids, values := make([]int32, n*k), make([]float64, n*TopKWidth(k, 2))
		NewTopK[float64](nil, n, d, v, k, []float64{1, 2}).Run(ids, values, tensor.Data[float64](x), tensor.Data[float64](w))
		for i := range n {
			l := rowLogits(x, w, i)
			order := make([]int32, v)
			for j := range order {
				order[j] = int32(j)
			}
			slices.SortStableFunc(order, func(a, b int32) int {
				if l[a] != l[b] && math.Abs(l[a]-l[b]) > 1e-12 {
					return map[bool]int{true: -1, false: 1}[l[a] > l[b]]
				}
				return 0
			})
			if got := ids[i*k : (i+1)*k]; !slices.Equal(got, order[:k]) {
				t.Fatalf("row %d: the top %d are %v, want %v", i, k, got, order[:k])
			}
			row := values[i*(k+4) : (i+1)*(k+4)]
			for j, τ := range []float64{1, 2} {
				var z float64
				for _, c := range order[k:] {
					z += math.Exp(l[c] / τ)
				}
				if got, want := row[k+2*j]+row[k+2*j+1], math.Log(z); math.Abs(got-want) > 1e-12 && got != want {
					t.Errorf("row %d: the rest beside %d at τ %v comes to %v, want %v", i, k, τ, got, want)
				}
			}
		}
	}
}

func TestLossOfTheTeachersTopIsBitIdenticalAtAnyNumberOfThreads(t *testing.T) {
	size := HeadLossSize{N: 150, D: 24, V: 131, TeacherD: 16}
	for _, terms := range withTeacher() {
		in := topInputs[float32](size, 12, terms, headInputs[float32](size, true, true))
		checkThreads(t, func(p *parallel.Pool) node {
			return NewHeadLoss[float32](p, size, terms, HeadLossOptions{Grad: true, GradHead: true, Top: 12, Chunk: 32})
		}, in)
		checkAllocs(t, NewHeadLoss[float32](nil, size, terms, HeadLossOptions{Grad: true, GradHead: true, Top: 12}), in)
	}
}
