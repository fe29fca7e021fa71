package safetensors

import (
	"encoding/binary"
	"fmt"

	"stillhouse/checkpoints/internal/floats"
	"stillhouse/layers/tensor"
)

var le = binary.LittleEndian

// decode fills elements [at, at+n) of dst from n little-endian elements of
// dtype d in src. It returns an error for an integer that does not fit.
func decode(dst *tensor.Tensor, at int, src []byte, d DType) error {
	n := len(src) * 8 / d.Bits()
	switch dst.DType() {
	case tensor.F32:
		floats.Decode(tensor.Data[float32](dst)[at:at+n], src, d.format())
	case tensor.F64:
		floats.Decode(tensor.Data[float64](dst)[at:at+n], src, d.format())
	default:
		return decodeInts(tensor.Data[int32](dst)[at:at+n], at, src, d)
	}
	return nil
}

func decodeInts(dst []int32, at int, src []byte, d DType) error {
	if d == I32 {
		for i := range dst {
			dst[i] = int32(le.Uint32(src[4*i:]))
		}
		return nil
	}
	for i := range dst {
		v := int64(le.Uint64(src[8*i:]))
		if v != int64(int32(v)) {
			return fmt.Errorf("element %d is %d, which does not fit I32: %w I64", at+i, v, ErrDType)
		}
		dst[i] = int32(v)
	}
	return nil
}

// encode writes elements [at, at+n) of src to dst as dtype d, where n elements
// fill dst.
func encode(dst []byte, src *tensor.Tensor, at int, d DType) {
	n := len(dst) * 8 / d.Bits()
	switch src.DType() {
	case tensor.F32:
		floats.Encode(dst, tensor.Data[float32](src)[at:at+n], d.format())
	case tensor.F64:
		floats.Encode(dst, tensor.Data[float64](src)[at:at+n], d.format())
	default:
		for i, v := range tensor.Data[int32](src)[at : at+n] {
			if d == I64 {
				le.PutUint64(dst[8*i:], uint64(int64(v)))
			} else {
				le.PutUint32(dst[4*i:], uint32(v))
			}
		}
	}
}

// format returns how package floats names a floating dtype.
func (d DType) format() floats.Format {
	switch d {
	case F64:
		return floats.F64
	case F16:
		return floats.F16
	case BF16:
		return floats.BF16
	}
	return floats.F32
}
