package gemm

import "runtime"

// partition cuts the region for so many threads and returns the number of
// tasks. It may depend on the threads because it cuts C only.
func (x *plan[T]) partition(threads int) int {
	x.packs, x.threads = 0, threads
	if x.packsB {
		x.packs = x.panels() * ((x.steps + x.depth - 1) / x.depth)
	}
	w := x.isa.width
	x.rows, x.span = x.band(), (x.cols+w-1)/w*w
	for {
		bands := (x.m + x.rows - 1) / x.rows
		x.spans = (x.cols + x.span - 1) / x.span
		switch {
		case bands*x.spans >= tasksEach*threads:
			return x.packs + bands*x.spans
		case x.rows > rowsMin && x.m > rowsMin:
			x.rows -= rowsMin
		case x.span > 2*w:
			x.span = (x.span/2 + w - 1) / w * w
		default:
			return x.packs + bands*x.spans
		}
	}
}

// do is task i. The tasks that pack come first and For hands tasks out in
// order, so whoever computes waits for panels being packed right now at most.
func (x *plan[T]) do(e *engine[T], i int) {
	if i < x.packs {
		panels := x.panels()
		x.packB(i/panels*x.depth, i%panels*x.isa.width)
		x.ready.Add(1)
		return
	}
	for looks := 0; x.ready.Load() < int64(x.packs); looks++ {
		if looks%100 == 99 {
			runtime.Gosched()
		}
	}
	i -= x.packs
	i0, j0 := i/x.spans*x.rows, i%x.spans*x.span
	w := e.workers.Get().(*worker[T])
	x.compute(w, i0, min(i0+x.rows, x.m), j0, min(j0+x.span, x.cols), i0+x.threads*x.rows)
	w.strip = strip[T]{}
	e.workers.Put(w)
}
