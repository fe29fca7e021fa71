package export

import (
	"fmt"
	"slices"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// value is a weight to be written, made only when it is: no second copy of a
// model is ever held. Its methods say what becomes of it on the way.
type value struct {
	dtype tensor.DType
	shape []int
	load  func() *tensor.Tensor // what it returns is not changed
}

// of is a parameter as it is.
func of(p *layers.Param) value { return whole(p.Value) }

func whole(t *tensor.Tensor) value {
	return value{t.DType(), t.Shape(), func() *tensor.Tensor { return t }}
}

// zeros is a weight that the model does not have.
func zeros(dtype tensor.DType, shape ...int) value {
	return value{dtype, shape, func() *tensor.Tensor { return tensor.New(dtype, shape...) }}
}

// ofOrZero is a parameter, or zeros in its place.
func ofOrZero(p *layers.Param, dtype tensor.DType, shape ...int) value {
	if p == nil {
		return zeros(dtype, shape...)
	}
	return of(p)
}

// rows are rows [lo,hi) of a matrix or entries of a vector.
func (v value) rows(lo, hi int) value {
	shape := append([]int{hi - lo}, v.shape[1:]...)
	return value{v.dtype, shape, func() *tensor.Tensor { return v.load().Rows(lo, hi) }}
}

// reshaped is the same under another shape of equal size.
func (v value) reshaped(shape ...int) value {
	return value{v.dtype, shape, func() *tensor.Tensor { return v.load().Reshape(shape...) }}
}

// mapped is f of every element.
func (v value) mapped(f func(float64) float64) value {
	return value{v.dtype, v.shape, func() *tensor.Tensor {
		t := v.load().Clone()
		if t.DType() == tensor.F64 {
			apply(tensor.Data[float64](t), f)
		} else {
			apply(tensor.Data[float32](t), f)
		}
		return t
	}}
}

func apply[T tensor.Float](x []T, f func(float64) float64) {
	for i, v := range x {
		x[i] = T(f(float64(v)))
	}
}

// segment moves n neighbouring entries of an axis.
type segment struct{ to, from, n int }

// spread has size entries along an axis, moved as the segments say; places that
// nothing moves to are zero. Another order of rows and zeros beside them are all
// that formats ask for.
func (v value) spread(axis, size int, segments []segment) value {
	shape := slices.Clone(v.shape)
	from := shape[axis]
	shape[axis] = size
	for _, s := range segments {
		if s.to < 0 || s.from < 0 || s.n < 0 || s.to+s.n > size || s.from+s.n > from {
			panic(fmt.Sprintf("export: segment %+v along axis %d of %v, to %d entries", s, axis, v.shape, size))
		}
	}
	outer, inner := product(shape[:axis]), product(shape[axis+1:])
	return value{v.dtype, shape, func() *tensor.Tensor {
		out := tensor.New(v.dtype, shape...)
		dst, src := out.Reshape(out.Size()), v.load()
		src = src.Reshape(src.Size())
		for o := range outer {
			for _, s := range segments {
				to, at := (o*size+s.to)*inner, (o*from+s.from)*inner
				dst.Rows(to, to+s.n*inner).CopyFrom(src.Rows(at, at+s.n*inner))
			}
		}
		return out
	}}
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
