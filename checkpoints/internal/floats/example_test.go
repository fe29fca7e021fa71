package floats_test

import (
	"fmt"

	"stillhouse/checkpoints/internal/floats"
)

// A bfloat16 keeps eight bits of a number.
func Example() {
	file := make([]byte, 3*floats.BF16.Bytes())
	floats.Encode(file, []float32{1, 0.1, -3}, floats.BF16)
	back := make([]float32, 3)
	floats.Decode(back, file, floats.BF16)
	fmt.Printf("%x %v\n", file, back)
	// Output:
	// 803fcd3d40c0 [1 0.100097656 -3]
}
