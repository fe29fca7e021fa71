package autodiff

import (
	"fmt"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	gt "gorgonia.org/tensor"

	"stillhouse/layers/tensor"
)

// value shows a Tensor to Gorgonia, which needs its type and shape and never
// looks at its elements: every operation that runs is ours.
type value struct {
	dtype tensor.DType
	shape []int
	t     *tensor.Tensor // nil for an operation's output until Build plans memory
}

func leaf(t *tensor.Tensor) *value { return &value{t.DType(), t.Shape(), t} }

// Shape returns a copy: Gorgonia recycles shapes it was given.
func (v *value) Shape() gt.Shape {
	if len(v.shape) == 0 {
		return gt.ScalarShape()
	}
	return append(gt.Shape(nil), v.shape...)
}

func (v *value) Size() int {
	n := 1
	for _, d := range v.shape {
		n *= d
	}
	return n
}
func (v *value) Data() any                  { return v.t }
func (v *value) Dtype() gt.Dtype            { return dtypeOf(v.dtype) }
func (v *value) Uintptr() uintptr           { return 0 }
func (v *value) MemSize() uintptr           { return uintptr(v.Size() * v.dtype.Bytes()) }
func (v *value) Format(s fmt.State, _ rune) { fmt.Fprintf(s, "%v%v", v.dtype, v.shape) }

// Type lets Gorgonia bind a value it has no case for (its Typer interface).
func (v *value) Type() hm.Type {
	if len(v.shape) == 0 {
		return dtypeOf(v.dtype)
	}
	return G.TensorType{Dims: len(v.shape), Of: dtypeOf(v.dtype)}
}

func dtypeOf(d tensor.DType) gt.Dtype {
	switch d {
	case tensor.F32:
		return gt.Float32
	case tensor.F64:
		return gt.Float64
	}
	return gt.Int32
}

// tensorOf takes the tensor out of a value that our nodes put in.
func tensorOf(v G.Value) *tensor.Tensor { return v.(*value).t }
