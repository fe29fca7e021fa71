package kernel

import (
	"slices"

	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// What happens inside one chunk of a HeadLoss: how many rows it has, how they
// are packed, and what becomes of one of them between the GEMM that made its
// logits and the two that use their gradient.

// headChunk is the number of rows whose logits exist at a time. Few keep the
// logits in cache; many read the head, and add to its gradient, less often.
// Measured on two cores at N 2048, D 256, V 8192, the GEMMs alone: against 512
// rows, 256 ran at 97 % of the speed, 128 at 91 %, 64 at 76 %.
func headChunk(wanted, v int) int {
	if wanted > 0 {
		return wanted
	}
	const cached, kept = 1 << 21, 1 << 24 // elements: 8 and 64 MiB of float32
	return max(128, min(512, cached/v/16*16), min(256, kept/v/16*16))
}

// gather returns the rows of x [N,d] as one block: a piece of x where they are
// consecutive, else copied into buf.
func gather[T tensor.Float](buf, x []T, rows []int32, d int) []T {
	first, last := int(rows[0]), int(rows[len(rows)-1])
	if last-first == len(rows)-1 {
		return x[first*d : (last+1)*d]
	}
	for i, r := range rows {
		copy(buf[i*d:(i+1)*d], x[int(r)*d:(int(r)+1)*d])
	}
	return buf
}

// row computes row i of the chunk: its losses, and its gradient in g. block
// says which scratch rows are free.
func (k *HeadLoss[T]) row(i, block int) {
	v := k.size.V
	n := int(k.rows[k.from+i])
	s, g := k.s[i*v:(i+1)*v], k.g[i*v:(i+1)*v]
	q := k.q[block*v : (block+1)*v]
	var t, single, p []T
	if k.p != nil {
		p = k.p[block*v : (block+1)*v]
	}
	if k.t != nil {
		t = k.t[i*v : (i+1)*v]
	}
	if k.single != nil {
		single = k.single[block*v : (block+1)*v]
	}
	if k.opt.Stats {
		k.stats(n, s, t, single, p, q)
	}
	losses := k.losses[(k.from+i)*len(k.terms):][:len(k.terms)]
	weight := float64(k.weight[n])
	if !k.opt.Grad {
		weight = 0 // no gradient wanted
	}
	if len(k.terms) == 1 {
		scale := weight * k.terms[0].Weight
		losses[0] = k.term(0, n, block, g, s, t, scale, p, q)
		if scale == 0 && k.opt.Grad {
			clear(g)
		}
		return
	}
	if k.opt.Grad {
		clear(g)
	}
	for j := range k.terms {
		scale := weight * k.terms[j].Weight
		losses[j] = k.term(j, n, block, single, s, t, scale, p, q)
		if scale != 0 {
			vec.AddTo(g, single)
		}
	}
}

// term is row for term j of row n.
func (k *HeadLoss[T]) term(j, n, block int, g, s, t []T, scale float64, p, q []T) float64 {
	if k.opt.Top == 0 || !k.terms[j].Kind.NeedsTeacher() {
		return row(&k.terms[j], g, s, t, k.labels[n], scale, p, q)
	}
	width := len(k.wt) / k.size.N
	values := k.wt[n*width : (n+1)*width]
	at := k.opt.Top + 2*slices.Index(k.τs, k.terms[j].temperature())
	return bucketRow(&k.terms[j], g, s, k.top[n*k.opt.Top:][:k.opt.Top], values[:k.opt.Top],
		float64(values[at])+float64(values[at+1]), scale, q, k.buckets[block])
}

// The divergences that Stats records, whatever the terms are.
var (
	plainCE      = Term{Kind: CrossEntropy}
	plainKL      = Term{Kind: ForwardKL}
	plainReverse = Term{Kind: ReverseKL}
)

// stats records row n's statistics from its logits, which it leaves as they
// are; g, p and q are scratch.
func (k *HeadLoss[T]) stats(n int, s, t, g, p, q []T) {
	if k.labels[n] >= 0 {
		k.RowCE[n] = row(&plainCE, g, s, t, k.labels[n], 0, p, q)
	}
	if k.teacher {
		k.RowKL[n] = row(&plainKL, g, s, t, -1, 0, p, q)
		k.RowReverseKL[n] = row(&plainReverse, g, s, t, -1, 0, p, q)
		best := argmax(s)
		k.RowAgree[n] = best >= 0 && best == argmax(t)
	}
}

// argmax returns the first index of the largest element, -1 if that is a NaN.
func argmax[T tensor.Float](x []T) int { return slices.Index(x, vec.Max(x)) }
