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
	for took := time.Duration(0); took < 10*time.Millisecond; {
		turns *= 2
		start := time.Now()
		single.isa.fma(turns)
		took = time.Since(start)
		if took >= 10*time.Millisecond {
			turns = int(float64(turns) * float64(20*time.Millisecond) / float64(took))
		}
	}
	loop := func(int) { single.isa.fma(turns) }
	each := single.isa.fma(turns) // operations on one thread
	for range 5 {
		start := time.Now()
		p.For(p.Threads(), loop)
		gflops = max(gflops, float64(p.Threads())*each/time.Since(start).Seconds()/1e9)
	}
	return gflops
}
