package kernel_test

import (
	"fmt"

	"stillhouse/layers/internal/kernel"
	"stillhouse/layers/tensor"
)

// y = x·Wᵀ forward and back: ∂x is overwritten, ∂W added to.
func Example() {
	k := kernel.NewLinear[float32](nil, 2, 2, 1, kernel.LinearOptions{})
	x := tensor.From([]float32{1, 2, 3, 4}, 2, 2)
	w := tensor.From([]float32{10, 1}, 1, 2)
	y := tensor.New(tensor.F32, k.OutShape()...)
	k.Forward(y, []*tensor.Tensor{x, w})

	dy := tensor.From([]float32{1, -1}, 2, 1)
	dx, dw := tensor.New(tensor.F32, 2, 2), tensor.From([]float32{100, 100}, 1, 2)
	k.Backward([]*tensor.Tensor{dx, dw}, dy, y, []*tensor.Tensor{x, w})
	fmt.Println(k.Name(), tensor.Data[float32](y), tensor.Data[float32](dx), tensor.Data[float32](dw))
	// Output:
	// linear [12 34] [10 1 -10 -1] [98 98]
}
