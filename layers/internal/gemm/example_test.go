package gemm_test

import (
	"fmt"

	"stillhouse/layers/internal/gemm"
)

// A linear layer keeps its weights as [out,in] and computes y = x·Wᵀ.
func ExampleGemm() {
	x := []float32{1, 2, 3} // [1,3]
	w := []float32{         // [2,3]
		1, 0, 1,
		0, 2, 0,
	}
	y := make([]float32, 2) // [1,2]
	gemm.Gemm(nil, gemm.NT, 1, 2, 3, x, 3, w, 3, y, 2, false)
	fmt.Println(y)
	// Output: [4 4]
}
