package distill

import (
	"context"
	"fmt"
	"time"

	"stillhouse/layers"
)

// ProductBench says what BenchProducts measures: every shape [m,n,k] in every
// form at every number of threads.
type ProductBench struct {
	ISA     string // of layers.ISAs; empty takes for each product the one that training uses
	Shapes  [][3]int
	Forms   []string
	Threads []int
	Runs    int // to take the median of
}

// ProductShapes are the products worth knowing: square and flat ones, a long
// sum, a language model's head, and the thin ones of a small model. Operands of
// 1024³ have rows a power of two apart, those of 1000³ do not.
var ProductShapes = [][3]int{{512, 256, 1024}, {1024, 1024, 1024}, {1000, 1000, 1000}, {2048, 512, 512},
	{4096, 256, 8192}, {2048, 8192, 512}, {2048, 64, 64}, {2048, 172, 64}}

// ProductReport lays the matrix product against the multiply-adds on registers.
type ProductReport struct {
	Runs int            `json:"runs"` // whose median each figure is
	Rows []ProductSpeed `json:"rows"`
}

// ProductSpeed is one row.
type ProductSpeed struct {
	M            int     `json:"m"`
	N            int     `json:"n"`
	K            int     `json:"k"`
	Form         string  `json:"form"`
	ISA          string  `json:"isa"`
	Threads      int     `json:"threads"`
	GFlops       float64 `json:"gflops"`
	PeakGFlops   float64 `json:"peak_gflops"` // of the vectors' multiply-adds on registers, measured beside every run
	OfPeak       float64 `json:"of_peak"`
	MatrixGFlops float64 `json:"matrix_peak_gflops,omitempty"` // of the matrix unit, if the product is on one
}

// productTime is about how long a run lasts.
const productTime = 15 * time.Millisecond

// BenchProducts measures the matrix product, the peak beside every run, so that
// what others take of the machine is missing in both.
func BenchProducts(ctx context.Context, b ProductBench, progress Progress) (*ProductReport, error) {
	if b.Runs < 1 {
		return nil, fmt.Errorf("%d runs (hint: at least 1)", b.Runs)
	}
	r := &ProductReport{Runs: b.Runs}
	progress.Begin("measure products", len(b.Shapes)*len(b.Forms)*len(b.Threads))
	defer progress.End()
	for _, threads := range b.Threads {
		pool := layers.NewPool(threads)
		defer pool.Close()
		for _, s := range b.Shapes {
			for _, form := range b.Forms {
				if ctx.Err() != nil {
					return nil, fmt.Errorf("bench gemm: %w", ctx.Err())
				}
				progress.Advance(len(r.Rows), fmt.Sprintf("%s %d×%d×%d, %d threads", form, s[0], s[1], s[2], pool.Threads()))
				product, err := layers.NewProduct(b.ISA, form, s[0], s[1], s[2])
				if err != nil {
					return nil, err
				}
				r.Rows = append(r.Rows, timeProduct(pool, product, b.Runs))
			}
		}
	}
	progress.Advance(len(r.Rows), "")
	return r, nil
}

func timeProduct(pool *layers.Pool, t *layers.Product, runs int) ProductSpeed {
	t.Run(pool) // buffers and caches get where they stay
	began := time.Now()
	t.Run(pool)
	each := max(1, int(productTime/max(1, time.Since(began))))
	var speeds, peaks, shares, units []float64
	for range runs {
		peak := t.Peak(pool)
		units = append(units, t.MatrixPeak(pool))
		began := time.Now()
		for range each {
			t.Run(pool)
		}
		speed := t.Flops() * float64(each) / time.Since(began).Seconds() / 1e9
		speeds, peaks, shares = append(speeds, speed), append(peaks, peak), append(shares, speed/peak)
	}
	return ProductSpeed{M: t.M, N: t.N, K: t.K, Form: t.Form.String(), ISA: t.ISA(), Threads: pool.Threads(),
		GFlops: middle(speeds), PeakGFlops: middle(peaks), OfPeak: middle(shares), MatrixGFlops: middle(units)}
}
