package gemm

import "stillhouse/layers/tensor"

// isa is what the blocked multiplication needs from an instruction set. An
// element of C is always made the same way: a sum that starts at zero and takes
// the products of one block of k in order, each by the instruction set's one
// multiply-add, then one store or one addition to C. So it does not matter for
// its bits which tile it falls into.
type isa[T tensor.Float] struct {
	name    string
	fewest  int   // columns, or steps of k, below which the path before this one is faster
	heights []int // rows of the tiles there are, falling
	width   int   // columns of the widest tile; half of it exists too
	depth   int   // of a block of k, at most
	steps   int   // of k that tiles take at a time: blocks are whole ones, but for the last
	rows    int   // of C in a task, at most
	band    int   // elements of A in a band of rows: they stay in the L2 while panels of B pass
	slack   int   // elements that packA may leave between rows, and write beyond the last

	// readsB: tiles can read rows of a stored B at any width up to width.
	// Otherwise only whole vectors, at widths that are a multiple of width/2.
	readsB bool
	// packsA: tiles want A as packA leaves it, packsB: B. Otherwise packing is optional.
	packsA, packsB bool
	// parts: packed operands are cut into parts, six bytes an element, see room.
	parts bool
	// narrow: tiles have so few sums for what they read that it must lie close: a B
	// whose rows fall into one set of the L1 and a stored [k,m] want packing.
	narrow bool
	// roomy: a set of the L1 has room for a line of each of a tile's rows, so that a
	// stored [m,k] whose rows all fall into one set is read where it lies.
	roomy bool

	// turned is the path for the transposes, of C = Cᵀᵀ with more columns than rows: A,
	// of which a block is copied for a worker alone, is better the larger operand, B
	// the one that all read. nil: as good as the other way.
	turned *isa[T]

	strip func(s *strip[T])
	// packA copies tiles of rows×k of op(A), stored one after the other from src
	// with row stride ld, to dst, apart from each other, and returns the strides of
	// rows and of k there. height is a tile's; where it is more, there is one tile.
	packA func(dst []T, apart int, src []T, ld int, trans bool, tiles, rows, height, k int) (rs, ks int)
	// packB copies k×w of op(B) to dst, k rows of width elements, zero from w on.
	packB func(dst, src []T, ld int, trans bool, k, w, width int)
	// copyB copies whole panels of a B stored [k,n] that lie side by side, if it can.
	copyB func(dst, src []T, ld, panels, k int)
	// packHalf is packA and packB, if there are parts, for lines of bfloat16 along k.
	packHalf func(dst []T, apart int, src []uint16, ld, lines, k int)
	// fma runs turns of independent multiply-adds on registers and returns how
	// many floating-point operations they were.
	fma func(turns int) float64
}

// strip is one panel of B times a column of tiles: C[·,w] (+)= A·B.
type strip[T tensor.Float] struct {
	k     int
	a     []T
	runs  []run
	b     []T // row p at p·bs
	bs    int
	whole bool        // its rows may be read to the end of the panel
	half  bool        // one operand is bfloat16
	next  [2]ahead[T] // the panel after this one, then A
	c     []T         // element (i,j) at i·rowC + j·colC
	rowC  int
	colC  int // 1, but for a path that can be turned
	w     int
	acc   bool
}

// run is tiles of one height, the first one at a row of C and the others below it.
// Element (i,p) of A lies at a[at + i·rs + p·ks], the next tile's first one along
// from there.
type run struct {
	row, rows, height int // rows is less than height for one tile only
	tiles             int
	at, rs, ks, along int
}

// next returns the height of the tile to use when so many rows are left. Twice
// the second height is better done in halves than as tallest and a sliver.
func (s *isa[T]) next(left int) int {
	if len(s.heights) > 1 && left == 2*s.heights[1] {
		return s.heights[1]
	}
	for _, h := range s.heights {
		if h <= left {
			return h
		}
	}
	return s.heights[len(s.heights)-1]
}

// panel returns the width of the tiles for w columns, so many being left.
func (s *isa[T]) panel(w int) int {
	if w <= s.width/2 && !s.parts {
		return s.width / 2
	}
	return s.width
}

// rowsLeast returns the rows of C in a task, at least: whole tiles.
func (s *isa[T]) rowsLeast() int { return (rowsMin + s.heights[0] - 1) / s.heights[0] * s.heights[0] }

// room returns the elements that k steps of so many lines, rows of A or columns of B
// in whole tiles, take packed.
func (s *isa[T]) room(lines, k int) int {
	if s.parts {
		return lines * ((k + s.steps - 1) / s.steps * s.steps) * 3 / 2
	}
	return lines * k
}
