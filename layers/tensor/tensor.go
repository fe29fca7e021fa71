package tensor

import (
	"fmt"
	"slices"
)

// Float is the element type of everything with a derivative: float32 in
// production, float64 where gradients are checked.
type Float interface{ float32 | float64 }

// Element is any element type a Tensor can hold.
type Element interface{ float32 | float64 | int32 }

// DType is the element type of a Tensor.
type DType uint8

// The element types. I32 holds token ids, labels and document starts.
const (
	F32 DType = iota
	F64
	I32
)

// String returns the safetensors spelling: F32, F64 or I32.
func (d DType) String() string {
	switch d {
	case F32:
		return "F32"
	case F64:
		return "F64"
	case I32:
		return "I32"
	}
	return fmt.Sprintf("DType(%d)", uint8(d))
}

// Bytes returns the size of one element.
func (d DType) Bytes() int {
	if d == F64 {
		return 8
	}
	return 4
}

// TypeOf returns the DType of T.
func TypeOf[T Element]() DType {
	var z T
	switch any(z).(type) {
	case float32:
		return F32
	case float64:
		return F64
	}
	return I32
}

// Tensor is a dense row-major array. The zero value is not usable; make one
// with New or From.
type Tensor struct {
	dtype DType
	shape []int
	f32   []float32
	f64   []float64
	i32   []int32
	paper *outline // of a tensor without memory; nil for all others

	discarded bool // counts as zero; see Discard
}

// New returns a zeroed tensor of the shape. A shape of no dimensions is a
// scalar with one element. It panics on a negative dimension.
func New(dtype DType, shape ...int) *Tensor {
	n := sizeOf(shape)
	t := &Tensor{dtype: dtype, shape: append([]int(nil), shape...)}
	switch dtype {
	case F32:
		t.f32 = Make[float32](n)
	case F64:
		t.f64 = Make[float64](n)
	case I32:
		t.i32 = Make[int32](n)
	default:
		panic(fmt.Sprintf("tensor: New: unknown %v", dtype))
	}
	return t
}

// From returns a tensor over data itself, not a copy. It panics when the shape
// does not hold len(data) elements.
func From[T Element](data []T, shape ...int) *Tensor {
	if n := sizeOf(shape); n != len(data) {
		panic(fmt.Sprintf("tensor: From: shape %v holds %d elements, data has %d", shape, n, len(data)))
	}
	t := &Tensor{dtype: TypeOf[T](), shape: append([]int(nil), shape...)}
	t.set(any(data))
	return t
}

func (t *Tensor) set(data any) {
	switch d := data.(type) {
	case []float32:
		t.f32 = d
	case []float64:
		t.f64 = d
	case []int32:
		t.i32 = d
	}
}

// Data returns the elements of t, sharing its memory. It panics when t holds
// another element type.
func Data[T Element](t *Tensor) []T {
	var p any
	switch t.dtype {
	case F32:
		p = &t.f32
	case F64:
		p = &t.f64
	default:
		p = &t.i32
	}
	if t.paper != nil {
		panic(fmt.Sprintf("tensor: Data: %v has no memory", t))
	}
	if t.discarded {
		panic(fmt.Sprintf("tensor: Data: %v is discarded", t))
	}
	s, ok := p.(*[]T)
	if !ok {
		var z T
		panic(fmt.Sprintf("tensor: Data: %v holds %v, want %T", t.shape, t.dtype, z))
	}
	return *s
}

// DType returns the element type.
func (t *Tensor) DType() DType { return t.dtype }

// Shape returns the dimensions; the caller must not change them.
func (t *Tensor) Shape() []int { return t.shape }

// Dim returns dimension i; a negative i counts from the end.
func (t *Tensor) Dim(i int) int {
	if i < 0 {
		i += len(t.shape)
	}
	return t.shape[i]
}

// Size returns the number of elements.
func (t *Tensor) Size() int {
	if t.paper != nil {
		return t.paper.size
	}
	return len(t.f32) + len(t.f64) + len(t.i32)
}

// Bytes returns the size of the memory behind t, or that would be.
func (t *Tensor) Bytes() int { return t.Size() * t.dtype.Bytes() }

// String describes the tensor without its elements, e.g. F32[512 256].
func (t *Tensor) String() string { return fmt.Sprintf("%v%v", t.dtype, t.shape) }

// Rows returns rows [lo,hi) of the first dimension, sharing memory.
func (t *Tensor) Rows(lo, hi int) *Tensor {
	if len(t.shape) == 0 || lo < 0 || hi < lo || hi > t.shape[0] {
		panic(fmt.Sprintf("tensor: Rows(%d,%d) of %v", lo, hi, t.shape))
	}
	if t.discarded {
		panic(fmt.Sprintf("tensor: Rows: %v is discarded", t))
	}
	stride := sizeOf(t.shape[1:])
	v := &Tensor{dtype: t.dtype, shape: append([]int{hi - lo}, t.shape[1:]...)}
	if t.paper != nil {
		v.paper = &outline{t.paper.of, t.paper.at + lo*stride, (hi - lo) * stride}
		return v
	}
	switch t.dtype {
	case F32:
		v.f32 = t.f32[lo*stride : hi*stride : hi*stride]
	case F64:
		v.f64 = t.f64[lo*stride : hi*stride : hi*stride]
	default:
		v.i32 = t.i32[lo*stride : hi*stride : hi*stride]
	}
	return v
}

// Reshape returns the same memory under another shape of equal size.
func (t *Tensor) Reshape(shape ...int) *Tensor {
	if n := sizeOf(shape); n != t.Size() {
		panic(fmt.Sprintf("tensor: Reshape: %v to %v", t.shape, shape))
	}
	v := *t
	v.shape = append([]int(nil), shape...)
	return &v
}

// Clone returns a copy with memory of its own.
func (t *Tensor) Clone() *Tensor {
	c := t.Another(t.dtype, t.shape...)
	c.CopyFrom(t)
	return c
}

// CopyFrom copies the elements of src, which may have another floating type
// (rounded to nearest) but must have the same number of elements.
func (t *Tensor) CopyFrom(src *Tensor) {
	if t.Size() != src.Size() {
		panic(fmt.Sprintf("tensor: CopyFrom: %v from %v", t, src))
	}
	if t.Outlined() != src.Outlined() {
		panic(fmt.Sprintf("tensor: CopyFrom: %v from %v: one has no memory", t, src))
	}
	switch {
	case t.dtype == src.dtype:
		copy(t.f32, src.f32)
		copy(t.f64, src.f64)
		copy(t.i32, src.i32)
	case t.dtype == F32 && src.dtype == F64:
		for i, v := range src.f64 {
			t.f32[i] = float32(v)
		}
	case t.dtype == F64 && src.dtype == F32:
		for i, v := range src.f32 {
			t.f64[i] = float64(v)
		}
	default:
		panic(fmt.Sprintf("tensor: CopyFrom: %v from %v", t, src))
	}
}

// Zero clears every element.
func (t *Tensor) Zero() {
	clear(t.f32)
	clear(t.f64)
	clear(t.i32)
}

// SharesMemory reports whether a and b start at the same element.
func SharesMemory(a, b *Tensor) bool {
	if a.dtype != b.dtype || a.Size() == 0 || b.Size() == 0 {
		return false
	}
	if a.Outlined() || b.Outlined() {
		return a.Outlined() && b.Outlined() && a.paper.of == b.paper.of && a.paper.at == b.paper.at
	}
	switch a.dtype {
	case F32:
		return &a.f32[0] == &b.f32[0]
	case F64:
		return &a.f64[0] == &b.f64[0]
	}
	return &a.i32[0] == &b.i32[0]
}

func sizeOf(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 {
			panic(fmt.Sprintf("tensor: negative dimension in %v", shape))
		}
		n *= d
	}
	return n
}

// Equal reports whether a and b have the same type, shape and elements, NaN and
// what has no memory being equal to nothing.
func Equal(a, b *Tensor) bool {
	return a.paper == nil && b.paper == nil && a.dtype == b.dtype && slices.Equal(a.shape, b.shape) &&
		slices.Equal(a.f32, b.f32) && slices.Equal(a.f64, b.f64) && slices.Equal(a.i32, b.i32)
}
