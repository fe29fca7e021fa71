package layers

import "stillhouse/layers/internal/gemm"

func CPUPeak(now func() float64) float64 { return gemm.CPUPeak(now) }
