package gemm

import (
	"time"

	"stillhouse/layers/internal/parallel"
)

// Peak measures the multiply-adds that the widest float32 vectors here can do on
// registers alone, on all threads of the pool, in GFLOP/s: the best of five runs of
// about 20 ms. On a matrix unit products exceed it, see [MatrixPeak].
func Peak(p *parallel.Pool) (gflops float64) {
	return vectors.peak(p, 5, 20*time.Millisecond)
}

// MatrixPeak is [Peak] of the matrix unit, with as many products of parts for one of
// float32 as a product takes; 0 where there is none.
func MatrixPeak(p *parallel.Pool) (gflops float64) {
	if !fastest.parts {
		return 0
	}
	return fastest.peak(p, 5, 20*time.Millisecond)
}

// peak is Peak on this path: the best of so many runs of about so long.
func (s *isa[T]) peak(p *parallel.Pool, runs int, long time.Duration) (gflops float64) {
	turns := 1 << 10
	for took := time.Duration(0); took < long/2; {
		turns *= 2
		start := time.Now()
		s.fma(turns)
		took = time.Since(start)
		if took >= long/2 {
			turns = int(float64(turns) * float64(long) / float64(took))
		}
	}
	loop := func(int) { s.fma(turns) }
	each := s.fma(turns) // operations on one thread
	for range runs {
		start := time.Now()
		p.For(p.Threads(), loop)
		gflops = max(gflops, float64(p.Threads())*each/time.Since(start).Seconds()/1e9)
	}
	return gflops
}
