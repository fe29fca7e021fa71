package layers

import (
	"time"

	"stillhouse/layers/internal/gemm"
	"stillhouse/layers/internal/vec"
	"stillhouse/layers/tensor"
)

// The limits of this machine, measured where they are used: a share of a peak
// that was read off a data sheet says little on a shared or throttled processor.

// PeakFlops measures the multiply-adds that the float32 kernels' vectors can do on
// registers alone, on all threads of the pool, in GFLOP/s: the best of five loops of
// about 20 ms. Clocks drift, so measure before and after what is to be compared.
func PeakFlops(p *Pool) float64 { return gemm.Peak(p) }

// MatrixPeakFlops is PeakFlops of the processor's matrix unit, on which a float32
// product is six of bfloat16 parts; 0 where there is none that is used.
func MatrixPeakFlops(p *Pool) float64 { return gemm.MatrixPeak(p) }

// bandwidthElements is the length of each of three float32 vectors: 192 MiB
// together, which no cache holds.
const bandwidthElements = 1 << 24

// bandwidthBlock is the length that one part of the pool's work covers.
const bandwidthBlock = 1 << 16

// MemoryBandwidth measures a[i] = b[i] + s·c[i] over vectors in memory, on all
// threads of the pool, in GB/s: the best of five passes. A pass moves four
// vectors, not STREAM's three: a line that is stored to is fetched first. It
// allocates 192 MiB for its time.
func MemoryBandwidth(p *Pool) (gbps float64) {
	a, b, c := tensor.Make[float32](bandwidthElements), tensor.Make[float32](bandwidthElements), tensor.Make[float32](bandwidthElements)
	triad := func(i int) {
		lo, hi := i*bandwidthBlock, (i+1)*bandwidthBlock
		vec.Triad(a[lo:hi], b[lo:hi], c[lo:hi], 3)
	}
	for i := range b { // untouched memory would be one page of zeros, read again and again
		b[i], c[i] = float32(i), 1
	}
	for range 6 { // the first one only brings in a's pages
		began := time.Now()
		p.For(bandwidthElements/bandwidthBlock, triad)
		gbps = max(gbps, 4*4*bandwidthElements/time.Since(began).Seconds()/1e9)
	}
	return gbps
}

// ReadBandwidth measures reads alone, the sum of b[i]·c[i] over vectors in memory,
// on all threads of the pool, in GB/s: the best of five passes. It is the limit of
// what only reads, as decoding does, and lower than [MemoryBandwidth] where memory
// takes stores beside reads. It allocates 128 MiB for its time.
func ReadBandwidth(p *Pool) (gbps float64) {
	b, c := tensor.Make[float32](bandwidthElements), tensor.Make[float32](bandwidthElements)
	sums := make([]float32, bandwidthElements/bandwidthBlock)
	for i := range b {
		b[i], c[i] = 1, float32(i)
	}
	dot := func(i int) {
		lo, hi := i*bandwidthBlock, (i+1)*bandwidthBlock
		sums[i] = vec.Dot(b[lo:hi], c[lo:hi])
	}
	for range 5 {
		began := time.Now()
		p.For(len(sums), dot)
		gbps = max(gbps, 2*4*bandwidthElements/time.Since(began).Seconds()/1e9)
	}
	return gbps
}
