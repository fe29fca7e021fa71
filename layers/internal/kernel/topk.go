package kernel

import (
	"fmt"
	"slices"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// TopK finds of each row of x·wᵀ the K largest values and, at each of some
// temperatures, the log-sum of all others. Like a [HeadLoss] it never holds all
// rows of the product.
//
//	ids    [N,K]     the columns, the largest value first, of equal ones the first
//	values [N,K+2M]  their values; then of each temperature τ log Σ exp(x/τ) over
//	                 the other columns, as a T and what rounding took off
type TopK[T tensor.Float] struct {
	pool         *parallel.Pool
	n, d, v, k   int
	temperatures []float64
	chunk        int

	logits, q []T     // [chunk,V], [blocks,V]
	heaps     []int32 // [blocks,K]

	ids    []int32
	values []T
	from   int
	count  int
	block  func(block int)
}

// NewTopK returns the selection from n rows of width d.
func NewTopK[T tensor.Float](p *parallel.Pool, n, d, v, k int, temperatures []float64) *TopK[T] {
	if n < 0 || d < 1 || k < 1 || k > v {
		panic(fmt.Sprintf("kernel: TopK: n %d, d %d, %d of %d", n, d, k, v))
	}
	s := &TopK[T]{pool: p, n: n, d: d, v: v, k: k, temperatures: temperatures, chunk: min(n, headChunk(0, v))}
	blocks := (s.chunk + headRows - 1) / headRows
	s.logits, s.q, s.heaps = room[T](p, s.chunk*v), room[T](p, blocks*v), room[int32](p, blocks*k)
	s.block = func(block int) {
		for i := block * headRows; i < min(s.count, (block+1)*headRows); i++ {
			s.row(i, block)
		}
	}
	return s
}

// TopKWidth is the width of a row of values.
func TopKWidth(k, temperatures int) int { return k + 2*temperatures }

// Run reads x [N,D] and w [V,D].
func (s *TopK[T]) Run(ids []int32, values, x, w []T) {
	s.ids, s.values = ids, values
	for s.from = 0; s.from < s.n; s.from += s.count {
		s.count = min(s.chunk, s.n-s.from)
		gemm.Gemm(s.pool, gemm.NT, s.count, s.v, s.d, x[s.from*s.d:], s.d, w, s.d, s.logits, s.v, false)
		s.pool.For((s.count+headRows-1)/headRows, s.block)
	}
	s.ids, s.values = nil, nil
}

// row selects from one row of the chunk.
func (s *TopK[T]) row(i, block int) {
	x := s.logits[i*s.v : (i+1)*s.v]
	ids := s.ids[(s.from+i)*s.k:][:s.k]
	values := s.values[(s.from+i)*TopKWidth(s.k, len(s.temperatures)):][:TopKWidth(s.k, len(s.temperatures))]
	largest(s.heaps[block*s.k:(block+1)*s.k], x)
	copy(ids, s.heaps[block*s.k:])
	slices.SortFunc(ids, func(a, b int32) int {
		if less(x, a, b) {
			return 1
		}
		return -1
	})
	for j, v := range ids {
		values[j] = x[v]
	}
	for j, τ := range s.temperatures {
		at := values[s.k+2*j:]
		at[0], at[1] = pair[T](restOf(s.q[block*s.v:(block+1)*s.v], x, ids, τ).logSum())
	}
}

// less orders columns: by value, of equal ones the first is the larger.
func less[T tensor.Float](x []T, a, b int32) bool {
	return x[a] < x[b] || x[a] == x[b] && a > b
}

// largest leaves in heap the columns of x's largest values, the smallest of them
// first. Few columns beat it, so that nearly all cost one comparison.
func largest[T tensor.Float](heap []int32, x []T) {
	k := len(heap)
	for i := range heap {
		heap[i] = int32(i)
	}
	for i := k/2 - 1; i >= 0; i-- {
		sink(heap, x, i)
	}
	least := x[heap[0]]
	for v := k; v < len(x); v++ {
		if x[v] > least { // an equal one comes later: it is the smaller
			heap[0] = int32(v)
			sink(heap, x, 0)
			least = x[heap[0]]
		}
	}
}

// sink moves the column at i down to where it belongs.
func sink[T tensor.Float](heap []int32, x []T, i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(heap); c++ {
			if less(x, heap[c], heap[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		heap[i], heap[least] = heap[least], heap[i]
		i = least
	}
}
