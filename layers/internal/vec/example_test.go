package vec_test

import (
	"fmt"

	"stillhouse/layers/internal/vec"
)

// A softmax: the largest score is subtracted so that no exponential overflows.
func ExampleExpSum() {
	scores := []float32{1000, 1000, 1000, 1000}
	p := make([]float32, len(scores))
	z := vec.ExpSum(p, scores, 1, vec.Max(scores))
	vec.Scale(p, 1/z, p)
	fmt.Println(p)
	// Output: [0.25 0.25 0.25 0.25]
}
