package gemm

import (
	"math"
	"runtime"
)

// reread is what a task's operands cost beside its multiply-adds, measured on
// Granite Rapids: reading an element of B again for a band of rows takes the time of
// so many rows' multiply-adds with it, and one of A, for a span of columns, that of so
// many columns'.
const reread = 24

// partition cuts the region for so many threads and returns the number of tasks,
// bands of rows by spans of columns. Few large tasks read least again, many small
// ones end together. Tasks taken in turns end no later than their sum over the
// threads and one task, less a thread's share of it (Graham, 1966), and rather sooner
// where each thread gets as many: the cut with the least of that is taken. It may
// depend on the threads because it cuts C only.
func (x *plan[T]) partition(threads int) int {
	x.packs, x.threads = 0, threads
	if x.packsB {
		x.packs = x.groups() * ((x.steps + x.depth - 1) / x.depth)
	}
	w, h, panels := x.isa.width, x.isa.heights[0], x.panels()
	readA := reread
	if x.packsA {
		readA *= 2
	}
	least, most := math.MaxInt, max(x.isa.rowsLeast(), min(x.band(), x.m+h-1))
	for rows := x.isa.rowsLeast(); rows <= most; rows += h {
		bands, even := (x.m+rows-1)/rows, (x.m+rows/2)/rows // a last band of less than half is a sliver
		for spans := 1; spans <= min(panels, spansEach*threads); spans++ {
			span := (panels + spans - 1) / spans * w
			sum := x.m*x.cols + reread*bands*x.cols + readA*spans*x.m
			task := rows*span + reread*span + readA*rows
			late := (threads - 1) * task
			if even*spans%threads != 0 {
				late += threads * task / 4
			}
			if cost := sum + late; cost < least {
				least, x.rows, x.span = cost, rows, span
			}
		}
	}
	x.spans = (x.cols + x.span - 1) / x.span
	x.tasks = (x.m + x.rows - 1) / x.rows * x.spans
	return x.packs + x.tasks
}

// place returns which task the i-th one handed out is. For hands them out in turns, the
// first to its caller, so that a thread of a matrix unit gets neighbours, and from one
// multiplication to the next the same rows of C, which are in its cache. Vectors are
// too slow for that to show.
func (x *plan[T]) place(i int) int {
	if !x.isa.parts {
		return i - x.packs
	}
	turn := i % x.threads
	at := 0
	for t := range turn {
		at += x.before(x.packs+x.tasks, t) - x.before(x.packs, t)
	}
	return at + x.before(i, turn) - x.before(x.packs, turn)
}

// before returns how many of the first n are handed out in that turn.
func (x *plan[T]) before(n, turn int) int { return (n - turn + x.threads - 1) / x.threads }

// do is task i. The tasks that pack come first and For hands tasks out in
// order, so whoever computes waits for panels being packed right now at most.
func (x *plan[T]) do(e *engine[T], i int) {
	if i < x.packs {
		groups := x.groups()
		x.packB(i/groups*x.depth, i%groups*x.packing())
		x.ready.Add(1)
		return
	}
	for looks := 0; x.ready.Load() < int64(x.packs); looks++ {
		if looks%100 == 99 {
			runtime.Gosched()
		}
	}
	i = x.place(i)
	i0, j0 := i/x.spans*x.rows, i%x.spans*x.span
	w := e.workers.Get().(*worker[T])
	following := (i + x.threads) / x.spans * x.rows
	x.compute(w, i0, min(i0+x.rows, x.m), j0, min(j0+x.span, x.cols), following)
	w.strip = strip[T]{}
	e.workers.Put(w)
}
