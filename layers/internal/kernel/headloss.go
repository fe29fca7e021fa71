package kernel

import (
	"fmt"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// HeadLossSize is the shape of a HeadLoss: N rows (tokens), the student's width
// D, the vocabulary V, and the teacher's width, which may differ from D.
type HeadLossSize struct{ N, D, V, TeacherD int }

// HeadLossOptions says what a HeadLoss does beside the loss.
type HeadLossOptions struct {
	NeedTeacher bool // take the teacher's inputs even if no term compares with them (for Stats)
	Grad        bool // Forward also computes ∂loss/∂h
	GradHead    bool // … and ∂loss/∂w; needs Grad
	Stats       bool // record the Row… fields
	Top         int  // of the teacher's logits so many of each row are known, as a TopK found them; 0: all
	Chunk       int  // rows whose logits exist at a time; 0 chooses by V
}

// HeadLoss is output head and loss in one operation:
//
//	s[n] = w·h[n]   t[n] = wt·ht[n]
//	out  = Σ_n weight[n] · Σ_k terms[k].Weight · ℓ_k(s[n], t[n], label[n])
//
// Inputs: h [N,D], w [V,D], then ht [N,TeacherD] and wt [V,TeacherD] if
// [HeadLoss.HasTeacher], then labels int32 [N] (negative: none, and no cross
// entropy for that row) and weight [N]. weight carries the mask and the divisor
// of the mean: 1/count for each of count unmasked tokens. Rows of weight 0 cost
// nothing: the others are packed together before the head is applied. With Top the
// teacher's two are the ids int32 [N,Top] and values of a [TopK] at [Temperatures],
// and ℓ is as bucketloss.go says.
//
// The logits never exist as [N,V]. A chunk of rows goes through head, loss and
// gradient before the next one starts (Hsu et al. 2024, arXiv:2410.10989 §3.2),
// so that its logits stay in cache. This is the root of the graph, the seed of
// its gradient is 1, and Forward computes both gradients while it has the
// logits; Backward scales them by gout and hands them out: h's overwritten, w's
// accumulated. The teacher's inputs get none.
type HeadLoss[T tensor.Float] struct {
	pool  *parallel.Pool
	size  HeadLossSize
	terms []Term
	opt   HeadLossOptions

	// Statistics by row [N], recorded with Stats; 0 in rows of weight 0. The
	// divergences are at τ = 1, whatever the terms.
	RowCE        []float64 // cross entropy with the label, if there is one
	RowKL        []float64 // KL(teacher‖student), if there is a teacher
	RowReverseKL []float64 // KL(student‖teacher), likewise
	RowAgree     []bool    // both have their largest logit at the same token

	chunk    int
	teacher  bool
	rows     []int32   // [≤N] rows of weight ≠ 0, in order
	position []int32   // [N] place of a row in rows; -1 for weight 0
	losses   []float64 // [N,K] ℓ_k of the row at each place of rows
	sums     []float64 // [K]

	s, t, g      []T             // [chunk,V] logits; g the gradient in s: s itself with one term
	packed       []T             // [chunk,D], rows of h gathered around masked ones
	packedT      []T             // [chunk,TeacherD]
	p, q, single []T             // [blocks,V] scratch rows; p for JSD; single: one term's gradient
	buckets      []bucketScratch // [blocks], with Top
	τs           []float64       // with Top: temperatures of the log-sums in a row of values
	dh           []T             // [N,D] by place in rows
	dw           []T             // [V,D]

	h, w, ht, wt, weight, gh, gw []T // arguments of the call under way
	labels, top                  []int32
	gout                         T
	fresh                        bool // gw is to be overwritten
	from, count                  int  // the chunk under way, as places in rows

	lossBlock, dhBlock, dwBlock func(block int)
}

const (
	headRows    = 8    // rows in one part of the pool's work on a chunk; they share scratch
	scatterRows = 64   // rows in one part of Backward's
	scatterW    = 8192 // elements of w in one part of Backward's
)

// NewHeadLoss returns the loss that sums the terms. With Grad unset it cannot
// run backward and keeps no gradient.
func NewHeadLoss[T tensor.Float](p *parallel.Pool, size HeadLossSize, terms []Term, opt HeadLossOptions) *HeadLoss[T] {
	k := &HeadLoss[T]{pool: p, size: size, terms: append([]Term(nil), terms...), opt: opt, teacher: opt.NeedTeacher}
	needP := false
	for _, t := range terms {
		t.check()
		k.teacher = k.teacher || t.Kind.NeedsTeacher()
		needP = needP || t.Kind == JSD
	}
	if size.N < 0 || size.D < 1 || size.V < 1 || k.teacher && opt.Top == 0 && size.TeacherD < 1 || opt.Top > size.V || opt.Top > 0 && opt.Stats || len(terms) == 0 || opt.GradHead && !opt.Grad {
		panic(fmt.Sprintf("kernel: HeadLoss: size %+v, %d terms, options %+v", size, len(terms), opt))
	}
	n, d, v := size.N, size.D, size.V
	k.chunk = min(n, headChunk(opt.Chunk, v))
	blocks := (k.chunk + headRows - 1) / headRows
	k.rows, k.position = room[int32](p, n)[:0], room[int32](p, n)
	k.losses, k.sums = room[float64](p, n*len(terms)), make([]float64, len(terms))
	k.s, k.packed = room[T](p, k.chunk*v), room[T](p, k.chunk*d)
	k.q = room[T](p, blocks*v)
	k.g = k.s
	if needP {
		k.p = room[T](p, blocks*v)
	}
	if k.teacher && opt.Top > 0 {
		k.τs = Temperatures(terms)
		for range blocks {
			k.buckets = append(k.buckets, newBucketScratch(p, opt.Top))
		}
	} else if k.teacher {
		k.t, k.packedT = room[T](p, k.chunk*v), room[T](p, k.chunk*size.TeacherD)
	}
	if len(terms) > 1 || opt.Stats {
		k.single = room[T](p, blocks*v)
	}
	if opt.Grad {
		k.dh = room[T](p, n*d)
		if len(terms) > 1 {
			k.g = room[T](p, k.chunk*v)
		}
	}
	if opt.GradHead {
		k.dw = room[T](p, v*d)
	}
	if opt.Stats {
		k.RowCE, k.RowKL, k.RowReverseKL, k.RowAgree = room[float64](p, n), room[float64](p, n), room[float64](p, n), room[bool](p, n)
	}
	k.lossBlock = func(block int) {
		for i := block * headRows; i < min(k.count, (block+1)*headRows); i++ {
			k.row(i, block)
		}
	}
	k.dhBlock, k.dwBlock = k.scatterH, k.addW
	return k
}

// Name returns "head_loss".
func (k *HeadLoss[T]) Name() string { return "head_loss" }

// OutShape is a scalar's.
func (k *HeadLoss[T]) OutShape() []int { return nil }

// UsesIn is false: Forward has done the work.
func (k *HeadLoss[T]) UsesIn(int) bool { return false }

// Overwrites is true for w.
func (k *HeadLoss[T]) Overwrites(i int) bool { return i == 1 }

// Traffic returns the bytes of a forward and a backward pass: beside the operands
// the gradients that the one leaves for the other, which copies or adds them.
func (k *HeadLoss[T]) Traffic() (forward, backward int) {
	floats := len(k.h) + len(k.w) + len(k.ht) + len(k.wt) + len(k.weight)
	forward, backward = floats+2*(len(k.dh)+len(k.dw)), 2*len(k.dh)+3*len(k.dw)
	if k.fresh {
		backward -= len(k.dw)
	}
	bytes := tensor.TypeOf[T]().Bytes()
	return bytes*forward + 4*(len(k.labels)+len(k.top)), bytes * backward
}

// HasTeacher reports whether the inputs include the teacher's state and head.
func (k *HeadLoss[T]) HasTeacher() bool { return k.teacher }

// TermSums returns Σ_n weight[n]·ℓ_k(n) of each term in the last Forward,
// before the terms' own weights. The slice is overwritten by the next one.
func (k *HeadLoss[T]) TermSums() []float64 { return k.sums }

// Forward sets out to the loss and, with Grad, keeps its gradients.
func (k *HeadLoss[T]) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	k.bind(in)
	d, v, dt := k.size.D, k.size.V, k.size.TeacherD
	for k.from = 0; k.from < len(k.rows); k.from += k.count {
		k.count = min(k.chunk, len(k.rows)-k.from)
		chunk, m := k.rows[k.from:k.from+k.count], k.count
		h := gather(k.packed, k.h, chunk, d)
		gemm.Gemm(k.pool, gemm.NT, m, v, d, h, d, k.w, d, k.s, v, false)
		if k.t != nil {
			ht := gather(k.packedT, k.ht, chunk, dt)
			gemm.Gemm(k.pool, gemm.NT, m, v, dt, ht, dt, k.wt, dt, k.t, v, false)
		}
		k.pool.For((m+headRows-1)/headRows, k.lossBlock)
		if k.opt.Grad {
			gemm.Gemm(k.pool, gemm.NN, m, d, v, k.g, v, k.w, d, k.dh[k.from*d:], d, false)
		}
		if k.opt.GradHead {
			gemm.Gemm(k.pool, gemm.TN, v, d, m, k.g, v, h, d, k.dw, d, k.from > 0)
		}
	}
	tensor.Data[T](out)[0] = T(k.total())
}

// bind takes the inputs and lists the rows that count.
func (k *HeadLoss[T]) bind(in []*tensor.Tensor) {
	k.h, k.w = tensor.Data[T](in[0]), tensor.Data[T](in[1])
	next := 2
	if k.teacher {
		next = 4
		if k.wt = tensor.Data[T](in[3]); k.opt.Top > 0 {
			k.top = tensor.Data[int32](in[2])
		} else {
			k.ht = tensor.Data[T](in[2])
		}
	}
	k.labels, k.weight = tensor.Data[int32](in[next]), tensor.Data[T](in[next+1])
	k.rows = k.rows[:0]
	for n, w := range k.weight {
		k.position[n] = -1
		if w != 0 {
			if k.labels[n] >= int32(k.size.V) {
				panic(fmt.Sprintf("kernel: HeadLoss: label %d in row %d, vocabulary has %d", k.labels[n], n, k.size.V))
			}
			k.position[n] = int32(len(k.rows))
			k.rows = append(k.rows, int32(n))
		}
	}
	clear(k.RowCE)
	clear(k.RowKL)
	clear(k.RowReverseKL)
	clear(k.RowAgree)
}

// total adds the rows' losses in order, in float64: the same bits at any
// number of threads.
func (k *HeadLoss[T]) total() float64 {
	clear(k.sums)
	for a, n := range k.rows {
		for j, l := range k.losses[a*len(k.terms):][:len(k.terms)] {
			k.sums[j] += float64(k.weight[n]) * l
		}
	}
	var loss float64
	for j, t := range k.terms {
		loss += t.Weight * k.sums[j]
	}
	return loss
}

// Backward overwrites gin[0] and adds to gin[1] what Forward kept.
func (k *HeadLoss[T]) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, _ []*tensor.Tensor) {
	k.gout = tensor.Data[T](gout)[0]
	if gin[0] != nil {
		if !k.opt.Grad {
			panic("kernel: HeadLoss: Backward to h without HeadLossOptions.Grad")
		}
		k.gh = tensor.Data[T](gin[0])
		k.pool.For((k.size.N+scatterRows-1)/scatterRows, k.dhBlock)
	}
	if gin[1] != nil {
		if !k.opt.GradHead {
			panic("kernel: HeadLoss: Backward to w without HeadLossOptions.GradHead")
		}
		if len(k.rows) > 0 { // else dw is some earlier step's
			k.fresh = gin[1].Take()
			k.gw = tensor.Data[T](gin[1])
			k.pool.For((len(k.dw)+scatterW-1)/scatterW, k.dwBlock)
		}
	}
}

// scatterH writes one block of rows of h's gradient.
func (k *HeadLoss[T]) scatterH(block int) {
	d := k.size.D
	for n := block * scatterRows; n < min(k.size.N, (block+1)*scatterRows); n++ {
		g := k.gh[n*d : (n+1)*d]
		if a := int(k.position[n]); a >= 0 {
			vec.Scale(g, k.gout, k.dh[a*d:(a+1)*d])
		} else {
			clear(g)
		}
	}
}

// addW adds one block of elements of w's gradient, or sets them.
func (k *HeadLoss[T]) addW(block int) {
	lo, hi := block*scatterW, min(len(k.dw), (block+1)*scatterW)
	if k.fresh {
		vec.Scale(k.gw[lo:hi], k.gout, k.dw[lo:hi])
		return
	}
	vec.Axpy(k.gw[lo:hi], k.gout, k.dw[lo:hi])
}
