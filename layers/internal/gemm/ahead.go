package gemm

import "stillhouse/layers/tensor"

// ahead is a matrix that will be read soon. While tiles multiply they ask for it,
// a column of cache lines after the other; those of a matrix unit, whose operands are
// all packed, see to it themselves.
type ahead[T tensor.Float] struct {
	x         []T
	ld        int // of its rows
	rows      int
	row, left int // next to ask for: the row, and how many columns of lines
}

// lineElements is how many float32 a cache line has.
const lineElements = 16

// look sets what to ask for: rows × cols from at on.
func (h *ahead[T]) look(x []T, at, ld, rows, cols int) {
	h.x, h.ld, h.rows, h.row = x[at:], ld, rows, 0
	h.left = (cols + lineElements - 1) / lineElements
}

// ask returns where the next lines to ask for begin, and the bytes between them,
// for at most so many tiles that each ask so many times, and how many of the tiles
// these lines are for.
func (h *ahead[T]) ask(tiles, times int) (first *T, apart, n int) {
	first, apart, n = &h.x[h.row*h.ld], 4*h.ld, tiles
	if times > 0 {
		n = min(tiles, (h.rows-h.row+times-1)/times)
	}
	if h.row += n * times; h.row < h.rows && times > 0 {
		return first, apart, n
	}
	h.row = 0
	h.left--
	if h.left > 0 {
		h.x = h.x[min(lineElements, len(h.x)-1-(h.rows-1)*h.ld):]
	}
	return first, apart, n
}

// ask returns what tiles of this strip ask for, and how many of the tiles: lines in
// use when there is nothing to come.
func (s *strip[T]) ask(tiles int) (first *T, apart, n int) {
	for i := range s.next {
		if s.next[i].left > 0 {
			return s.next[i].ask(tiles, s.k/4)
		}
	}
	return &s.b[0], 0, tiles
}

// asks reports whether an operand of so many elements is to be asked for.
func (x *plan[T]) asks(elements int) bool {
	return !x.isa.parts && x.depth >= deepBlock && elements >= farAway
}

// aheadOfB looks at the panel at column j of those from j0 to j1, or at the first
// one of the next block.
func (x *plan[T]) aheadOfB(next *ahead[T], p, j, j0, j1 int) {
	next.left = 0
	if j >= j1 {
		j, p = j0, p+x.depth
	}
	if p >= x.steps || !x.asks(x.k*x.n) {
		return
	}
	w := min(x.isa.width, j1-j)
	b, bs := x.panel(p, j, w)
	next.look(b, 0, bs, min(x.depth, x.steps-p), w)
}

// aheadOfA looks at A's block at step p of rows [i0,i1), or at the first one of the
// rows from following on.
func (x *plan[T]) aheadOfA(next *ahead[T], i0, i1, p, following int) {
	rows := i1 - i0
	if p >= x.p0+x.steps {
		i0, p = following, x.p0
		rows = min(rows, x.m-i0)
	}
	next.left = 0
	if rows <= 0 || !x.asks(x.m*x.k) {
		return
	}
	if k := min(x.depth, x.k-p); x.transA {
		next.look(x.a, p*x.lda+i0, x.lda, k, rows)
	} else {
		next.look(x.a, i0*x.lda+p, x.lda, rows, k)
	}
}
