package gemm

import (
	"sync"
	"sync/atomic"

	"stillhouse/layers/internal/parallel"
	"stillhouse/layers/tensor"
)

// The sizes of the blocking. A sum over k is made in blocks of at most an instruction
// set's depth, equal but for the last, which k alone decides: it and the choice of
// the set are what shows in the bits.
const (
	depthMax    = 512
	regionMax   = 1 << 20 // elements of B packed at a time, 4 MiB of float32: more would leave a shared L3, less would read A more often
	regionSteps = 2048    // of k in a region, about
	rowsMax     = 144     // rows of C in a task of FMA tiles, at most
	rowsMin     = 24
	serialMax   = 1 << 17 // m·n·k below which a second thread costs more than it gives
	spansEach   = 6       // spans of columns for a thread, at most

	// Copies cost a tenth of a training product's time, so an operand is read
	// where it lies unless that hurts: rows 4 KiB apart all fall into one set of
	// an 8-way L1, and a panel of B whose rows are on as many pages as it has
	// rows misses the TLB. Measured on Zen 4, Emerald Rapids and Granite Rapids.
	slack     = 32      // elements that packA may leave between rows, and write beyond the last
	farRows   = 1024    // elements: rows of B so far apart are each on a page of its own
	sameSets  = 256     // elements: twelve rows of a tile fall into four sets of the L1, which is three too many
	fewRows   = 64      // of C: too few to earn back a copy of B
	someRows  = 256     // of C: too few to earn back a copy of a B that the L2 has
	manyRows  = 1024    // of C: enough to earn back a copy of a B whose rows fall into few sets of the L1
	shallow   = 320     // steps of k whose panel stays in an L1 of 48 KiB: a deeper one, of rows more than 2 KiB apart, waits for the L2 at each tile
	manyCols  = 128     // of C: enough to earn back a copy of A's rows
	longRows  = 192     // elements of a transposed A, those of many tiles: its steps lie too far apart to be read without waiting
	someCols  = 48      // of C: enough to earn back a copy of an A that narrow tiles want
	farApart  = 1 << 14 // elements: rows of A that lie in memory, which likes to be read in runs
	farAway   = 1 << 17 // elements of an operand that will not be in the L2 when it is needed
	deepBlock = 256     // steps of k that give tiles the time to ask for what comes next
)

// engine multiplies with one instruction set. It keeps the scratch of past
// calls, so that the next ones allocate nothing.
type engine[T tensor.Float] struct {
	isa     *isa[T]
	plans   sync.Pool // of *plan[T]
	workers sync.Pool // of *worker[T]
}

func newEngine[T tensor.Float](s *isa[T]) *engine[T] {
	e := &engine[T]{isa: s}
	e.workers.New = func() any { return new(worker[T]) }
	e.plans.New = func() any {
		x := &plan[T]{isa: s}
		x.task = func(i int) { x.do(e, i) }
		return x
	}
	return e
}

// multiply is Gemm on this engine.
func (e *engine[T]) multiply(p *parallel.Pool, f Form, m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, acc bool) {
	check(f, m, n, k, len(a), lda, len(b), ldb, len(c), ldc)
	if m == 0 || n == 0 {
		return
	}
	if k == 0 {
		for i := 0; i < m && !acc; i++ {
			clear(c[i*ldc:][:n])
		}
		return
	}
	e.run(p, e.plan(f, m, n, k, a, lda, b, ldb, c, ldc, acc))
}

// plan returns a plan with its operands set.
func (e *engine[T]) plan(f Form, m, n, k int, a []T, lda int, b []T, ldb int, c []T, ldc int, acc bool) *plan[T] {
	x := e.plans.Get().(*plan[T])
	x.transA, x.transB, x.acc = f.transA(), f.transB(), acc
	x.m, x.n, x.k = m, n, k
	x.a, x.lda, x.b, x.ldb, x.c, x.rowC, x.colC = a, lda, b, ldb, c, ldc, 1
	return x
}

// run does a plan and takes it back.
func (e *engine[T]) run(p *parallel.Pool, x *plan[T]) {
	x.isa = e.isa
	if x.m < x.n && e.isa.turned != nil {
		x.turn()
	}
	x.choose()
	threads := p.Threads()
	if x.m*x.n*x.k < serialMax {
		threads = 1
	}
	x.regions(func() {
		if threads == 1 {
			x.alone()
			return
		}
		x.ready.Store(0)
		p.For(x.partition(threads), x.task)
	})
	x.a, x.b, x.halfA, x.halfB, x.c = nil, nil, nil, nil, nil // the caller's memory is not ours to keep
	x.own.strip = strip[T]{}
	e.plans.Put(x)
}

// plan is one multiplication under way.
type plan[T tensor.Float] struct {
	isa            *isa[T]
	transA, transB bool
	acc            bool
	m, n, k        int
	a, b, c        []T
	halfA, halfB   []uint16 // in place of a or b: its elements in bfloat16
	lda, ldb       int
	rowC, colC     int // strides of C

	depth          int  // of a block of k
	packsA, packsB bool // else tiles read the operand where it lies

	// The region under way: columns from j0 and steps from p0.
	j0, cols, p0, steps int
	padded              int // cols, rounded up to whole tiles
	packed              []T // B: for each block of k, its panels one after the other

	// Its partition: first packs tasks that pack, then bands of rows by spans of columns.
	packs, tasks, rows, span, spans int
	threads                         int
	ready                           atomic.Int64 // packs done
	task                            func(i int)
	own                             worker[T] // for a caller alone
}

// turn makes the plan one of Cᵀ = op(B)ᵀ·op(A)ᵀ.
func (x *plan[T]) turn() {
	x.isa = x.isa.turned
	x.m, x.n = x.n, x.m
	x.a, x.halfA, x.lda, x.transA, x.b, x.halfB, x.ldb, x.transB = x.b, x.halfB, x.ldb, !x.transB, x.a, x.halfA, x.lda, !x.transA
	x.rowC, x.colC = x.colC, x.rowC
}

// choose sets the depth of blocks and what to pack.
func (x *plan[T]) choose() {
	s := x.isa
	blocks := (x.k + s.depth - 1) / s.depth
	x.depth = (x.k + blocks - 1) / blocks
	if blocks > 1 {
		x.depth = (x.depth + s.steps - 1) / s.steps * s.steps
	}
	aligned := x.ldb%lineElements == 0 // else a row of a panel is three lines, not two
	near := x.ldb <= farRows/2 || x.ldb < farRows && aligned && (x.depth <= shallow || x.m <= someRows)
	near = near && !(x.ldb%sameSets == 0 && (s.narrow || x.m >= manyRows))
	inPlace := !x.transB && (near || x.m <= fewRows) && (s.readsB || x.n%(s.width/2) == 0)
	x.packsB = s.packsB || !inPlace
	// A stored A has a tile's rows apart, a transposed one its steps.
	apart, enough := x.lda >= longRows, manyCols
	switch {
	case !x.transA:
		apart = x.lda%sameSets == 0 && !s.roomy || x.lda >= farApart
	case s.narrow:
		apart, enough = true, someCols
	}
	x.packsA = s.packsA || apart && x.n >= enough && x.m >= rowsMin
}

// regions calls f for every region of B that is packed at a time.
func (x *plan[T]) regions(f func()) {
	w := x.isa.width
	maxSteps := (regionSteps + x.depth - 1) / x.depth * x.depth
	maxCols := x.n
	if x.packsB { // equal regions near the size wanted: a narrow last one would read all of A for little
		wanted := max(12*w, regionMax/min(x.k, maxSteps)/w*w)
		regions := max(1, (x.n+wanted/2)/wanted)
		maxCols = ((x.n+regions-1)/regions + w - 1) / w * w
	}
	for x.j0 = 0; x.j0 < x.n; x.j0 += maxCols {
		x.cols = min(maxCols, x.n-x.j0)
		last := x.cols % w
		x.padded = x.cols - last
		if last > 0 {
			x.padded += x.isa.panel(last)
		}
		for x.p0 = 0; x.p0 < x.k; x.p0 += maxSteps {
			x.steps = min(maxSteps, x.k-x.p0)
			if x.packsB {
				x.packed = grown(x.packed, x.isa.room(x.padded, x.steps))
			}
			f()
		}
	}
}

// panelsAcross is how many panels of a B whose rows are apart are copied at a time: memory
// likes to be read in runs.
const panelsAcross = 4

// panels returns how many panels of B the region has in one block of k.
func (x *plan[T]) panels() int { return (x.cols + x.isa.width - 1) / x.isa.width }

// alone does a region on the caller.
func (x *plan[T]) alone() {
	if x.packsB {
		for p := 0; p < x.steps; p += x.depth {
			for j := 0; j < x.cols; j += x.packing() {
				x.packB(p, j)
			}
		}
	}
	rows := x.band()
	for i := 0; i < x.m; i += rows {
		x.compute(&x.own, i, min(i+rows, x.m), 0, x.cols, i+rows)
	}
}

// packing returns how many columns of B are packed at a time.
func (x *plan[T]) packing() int {
	if x.isa.copyB != nil && !x.transB {
		return panelsAcross * x.isa.width
	}
	return x.isa.width
}

// groups returns how many times so many columns make a block of B.
func (x *plan[T]) groups() int { return (x.cols + x.packing() - 1) / x.packing() }

// packB packs what panels there are from column j on, packing() columns at most, of
// the block at step p of the region.
func (x *plan[T]) packB(p, j int) {
	k, w := min(x.depth, x.steps-p), min(x.packing(), x.cols-j)
	if whole := w / x.isa.width; x.packing() > x.isa.width && whole > 0 {
		x.isa.copyB(x.packed[x.isa.room(x.padded, p)+x.isa.room(j, k):], x.b[(x.p0+p)*x.ldb+x.j0+j:], x.ldb, whole, k)
		j, w = j+whole*x.isa.width, w-whole*x.isa.width
		if w == 0 {
			return
		}
	}
	row, col := x.p0+p, x.j0+j
	at := row*x.ldb + col
	if x.transB {
		at = col*x.ldb + row
	}
	dst, width := x.panel(p, j, w)
	if x.halfB != nil {
		x.isa.packHalf(dst, 0, x.halfB[at:], x.ldb, w, k)
		return
	}
	x.isa.packB(dst, x.b[at:], x.ldb, x.transB, k, w, width)
}

// band returns the rows of C in a task: no more than have their block of A in the
// L2, which B's panels pass through.
func (x *plan[T]) band() int {
	least := x.isa.rowsLeast()
	return max(least, min(x.isa.rows, x.isa.band/x.depth/least*least))
}

// compute does rows [i0,i1) and columns [j0,j1) of the region, for all its
// steps. The columns count from the region's first; j0 is a multiple of a panel.
// following is the row that this worker is likely to begin with next.
func (x *plan[T]) compute(w *worker[T], i0, i1, j0, j1, following int) {
	s := &w.strip
	s.rowC, s.colC, s.whole, s.half = x.rowC, x.colC, x.packsB, x.halfA != nil || x.halfB != nil
	for p := 0; p < x.steps; p += x.depth {
		s.k = min(x.depth, x.steps-p)
		s.acc = x.acc || x.p0+p > 0
		w.lay(x, i0, i1, x.p0+p)
		x.aheadOfA(&s.next[1], i0, i1, x.p0+p+s.k, following)
		for j := j0; j < j1; j += x.isa.width {
			s.w = min(x.isa.width, j1-j)
			s.c = x.c[(x.j0+j)*x.colC:]
			s.b, s.bs = x.panel(p, j, s.w)
			x.aheadOfB(&s.next[0], p, j+x.isa.width, j0, j1)
			x.isa.strip(s)
		}
	}
}

// panel returns where the panel of w columns at column j of the block at step p of
// the region lies, and the stride of its rows.
func (x *plan[T]) panel(p, j, w int) (b []T, bs int) {
	if x.packsB {
		return x.packed[x.isa.room(x.padded, p)+x.isa.room(j, min(x.depth, x.steps-p)):], x.isa.panel(w)
	}
	return x.b[(x.p0+p)*x.ldb+x.j0+j:], x.ldb
}

// worker is the scratch of one goroutine inside a multiplication.
type worker[T tensor.Float] struct {
	strip strip[T]
	runs  []run
	a     []T
}

// lay cuts rows [i0,i1) of op(A) at the block of s.k steps from p into runs of tiles,
// packing them if the plan says so.
func (w *worker[T]) lay(x *plan[T], i0, i1, p int) {
	s := &w.strip
	s.a = x.a
	if x.packsA {
		w.a = grown(w.a, x.isa.room(i1-i0+x.isa.heights[0], s.k+x.isa.slack))
		s.a = w.a
	}
	w.runs = w.runs[:0]
	used := 0
	for i := i0; i < i1; {
		h := x.isa.next(i1 - i)
		r := run{row: i, rows: min(h, i1-i), height: h, tiles: 1, at: i*x.lda + p, rs: x.lda, ks: 1}
		r.along = r.rows * x.lda
		if x.transA {
			r.at, r.rs, r.ks, r.along = p*x.lda+i, 1, x.lda, r.rows
		}
		for i += r.rows; i+h <= i1 && x.isa.next(i1-i) == h; i += h {
			r.tiles++
		}
		if x.packsA {
			apart := x.isa.room(h, s.k+x.isa.slack)
			if x.halfA != nil {
				x.isa.packHalf(w.a[used:], apart, x.halfA[r.at:], x.lda, r.tiles*r.rows, s.k)
			} else {
				r.rs, r.ks = x.isa.packA(w.a[used:], apart, x.a[r.at:], x.lda, x.transA, r.tiles, r.rows, h, s.k)
			}
			r.at, r.along = used, apart
			used += r.tiles * apart
		}
		w.runs = append(w.runs, r)
	}
	s.runs = w.runs
}

// grown returns x with length n. New memory is of a size that Go aligns to a
// cache line, which loads of whole vectors like.
func grown[T tensor.Float](x []T, n int) []T {
	if n <= cap(x) {
		return x[:n]
	}
	return tensor.Make[T](n + n/4 + 256)[:n]
}
