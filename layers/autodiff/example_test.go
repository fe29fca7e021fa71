package autodiff_test

import (
	"fmt"

	G "gorgonia.org/gorgonia"

	"stillhouse/layers/autodiff"
	"stillhouse/layers/tensor"
)

// halfSquare is ½·w², with the gradient w.
type halfSquare struct{}

func (halfSquare) Name() string    { return "half_square" }
func (halfSquare) OutShape() []int { return nil }
func (halfSquare) Forward(out *tensor.Tensor, in []*tensor.Tensor) {
	w := tensor.Data[float64](in[0])[0]
	tensor.Data[float64](out)[0] = w * w / 2
}
func (halfSquare) Backward(gin []*tensor.Tensor, gout, _ *tensor.Tensor, in []*tensor.Tensor) {
	// w is a parameter: its gradient accumulates.
	tensor.Data[float64](gin[0])[0] += tensor.Data[float64](gout)[0] * tensor.Data[float64](in[0])[0]
}

func Example() {
	w, grad := tensor.From([]float64{3}, 1), tensor.New(tensor.F64, 1)
	var loss *G.Node
	s, err := autodiff.Build(nil, func(g *autodiff.Graph) error {
		loss = g.Apply(halfSquare{}, g.Param("w", w, grad))
		g.Keep(loss)
		return g.Grad(loss)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := s.Run(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(tensor.Data[float64](s.Value(loss))[0], tensor.Data[float64](grad)[0])
	// Output: 4.5 3
}
