// Package parallel spreads the inside of one operation over a fixed pool of
// goroutines.
//
// There is one type, [Pool]. For(n, f) calls f(0) … f(n-1), each exactly once,
// handed out in ascending order to whichever goroutine is free, the caller
// among them:
//
//	p := parallel.New(0)          // one goroutine per processor
//	p.For(len(tiles), multiply)   // returns when every tile is done
//
// Invariants: the partition belongs to the caller, so what f(i) computes
// depends on i alone, never on the number of threads, and results are
// bit-identical at any thread count. For allocates nothing. A panic in f, on
// any goroutine, is a panic of For with the same value, after every running f
// has returned. A nil Pool, a closed one and one that is busy (a For inside f,
// or from another goroutine) run everything on the caller.
//
// A training step issues one For every few hundred microseconds, so a worker
// that finds nothing to do watches for the next one for tens of microseconds
// and only then parks. A worker that is late, because it was parked or the
// processor was taken away, is not waited for: whoever is awake does its share.
//
// A caller that must not allocate builds f once and keeps it: a func literal
// made per call escapes to the heap. The package deliberately has no
// worker numbers, no task queue and no reductions.
package parallel
