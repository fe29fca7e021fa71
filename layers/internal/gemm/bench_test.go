package gemm

import (
	"fmt"
	"testing"

	"stillhouse/layers/internal/parallel"
)

// The products of a training step over 2048 tokens, as (out, in) of the linear
// layers of a model of width 256 and one of width 128.
var linears = [][2]int{
	{512, 256}, {256, 256}, {1376, 256}, {256, 688}, {1032, 256},
	{256, 128}, {128, 128}, {688, 128}, {128, 344}, {520, 128}, {512, 128},
}

// The tiles of attention and of the chunked scan, and thin products.
var small = [][3]int{
	{64, 64, 32}, {64, 32, 64}, {32, 32, 64}, {128, 32, 128}, {64, 64, 64},
	{2048, 64, 64}, {2048, 172, 64},
}

// BenchmarkLinear is y = x·Wᵀ (NT), dX = dY·W (NN) and dW = dYᵀ·X (TN) on all
// processors.
func BenchmarkLinear(b *testing.B) {
	p := parallel.New(0)
	defer p.Close()
	peak := Peak(p)
	for _, s := range linears {
		out, in := s[0], s[1]
		bench(b, p, peak, NT, 2048, out, in, 0)
		bench(b, p, peak, NN, 2048, in, out, 0)
		bench(b, p, peak, TN, out, in, 2048, 0)
	}
}

// BenchmarkSmall is what kernels call inside their own parallel loops: no pool,
// operands inside wider rows.
func BenchmarkSmall(b *testing.B) {
	peak := Peak(nil)
	for _, s := range small {
		for _, f := range forms {
			bench(b, nil, peak, f, s[0], s[1], s[2], 192)
		}
	}
}

func bench(b *testing.B, p *parallel.Pool, peak float64, f Form, m, n, k, pad int) {
	b.Run(fmt.Sprintf("%v/%dx%dx%d", f, m, n, k), func(b *testing.B) {
		x := newProblem[float32](f, m, n, k, pad, false)
		b.ReportAllocs()
		for b.Loop() {
			Gemm(p, f, m, n, k, x.a, x.lda, x.b, x.ldb, x.c, x.ldc, false)
		}
		gflops := 2 * float64(m) * float64(n) * float64(k) * float64(b.N) / b.Elapsed().Seconds() / 1e9
		b.ReportMetric(gflops, "GFLOP/s")
		b.ReportMetric(100*gflops/peak, "%peak")
	})
}
