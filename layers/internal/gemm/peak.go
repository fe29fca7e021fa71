package gemm

import (
	"time"

	"stillhouse/layers/internal/parallel"
)

// Peak measures what the float32 path could reach at most: multiply-adds of its
// instruction set on registers alone, on all threads of the pool, in GFLOP/s.
// It is the best of five runs of about 20 ms.
func Peak(p *parallel.Pool) (gflops float64) {
	turns := 1 << 12
	var each float64 // operations on one thread
	loop := func(int) { single.isa.fma(turns) }
	for { // find how many turns take 20 ms
		start := time.Now()
		each = single.isa.fma(turns)
		if took := time.Since(start); took > 10*time.Millisecond {
			turns = int(float64(turns) * float64(20*time.Millisecond) / float64(took))
			each = single.isa.fma(turns)
			break
		}
		turns *= 2
	}
	for range 5 {
		start := time.Now()
		p.For(p.Threads(), loop)
		gflops = max(gflops, float64(p.Threads())*each/time.Since(start).Seconds()/1e9)
	}
	return gflops
}
