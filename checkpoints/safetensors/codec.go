package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"

	"stillhouse/layers/tensor"
)

var le = binary.LittleEndian

// decode fills elements [at, at+n) of dst from n little-endian elements of
// dtype d in src. It returns an error for an integer that does not fit.
func decode(dst *tensor.Tensor, at int, src []byte, d DType) error {
	n := len(src) * 8 / d.Bits()
	switch dst.DType() {
	case tensor.F32:
		decodeFloats(tensor.Data[float32](dst)[at:at+n], src, d)
	case tensor.F64:
		decodeFloats(tensor.Data[float64](dst)[at:at+n], src, d)
	default:
		return decodeInts(tensor.Data[int32](dst)[at:at+n], at, src, d)
	}
	return nil
}

func decodeFloats[T tensor.Float](dst []T, src []byte, d DType) {
	switch d {
	case F32:
		for i := range dst {
			dst[i] = T(math.Float32frombits(le.Uint32(src[4*i:])))
		}
	case F64:
		for i := range dst {
			dst[i] = T(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = T(halfToFloat(le.Uint16(src[2*i:])))
		}
	case BF16:
		for i := range dst {
			dst[i] = T(brainToFloat(le.Uint16(src[2*i:])))
		}
	}
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
		encodeFloats(dst, tensor.Data[float32](src)[at:at+n], d)
	case tensor.F64:
		encodeFloats(dst, tensor.Data[float64](src)[at:at+n], d)
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

func encodeFloats[T tensor.Float](dst []byte, src []T, d DType) {
	switch d {
	case F32:
		for i, v := range src {
			le.PutUint32(dst[4*i:], math.Float32bits(float32(v)))
		}
	case F64:
		for i, v := range src {
			le.PutUint64(dst[8*i:], math.Float64bits(float64(v)))
		}
	case F16:
		for i, v := range src {
			le.PutUint16(dst[2*i:], floatToHalf(toOdd(float64(v))))
		}
	case BF16:
		for i, v := range src {
			le.PutUint16(dst[2*i:], floatToBrain(toOdd(float64(v))))
		}
	}
}
