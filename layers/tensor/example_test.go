package tensor_test

import (
	"fmt"

	"stillhouse/layers/tensor"
)

// Rows share the memory of the whole; a copy does not.
func Example() {
	w := tensor.From([]float32{1, 2, 3, 4, 5, 6}, 3, 2)
	q, c := w.Rows(0, 2), w.Clone()
	tensor.Data[float32](q)[3] = 40
	fmt.Println(w, tensor.Data[float32](w), tensor.SharesMemory(w, q))
	fmt.Println(c, tensor.Data[float32](c), tensor.SharesMemory(w, c))
	// Output:
	// F32[3 2] [1 2 3 40 5 6] true
	// F32[3 2] [1 2 3 4 5 6] false
}
