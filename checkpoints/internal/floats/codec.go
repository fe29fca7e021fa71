package floats

import (
	"encoding/binary"
	"fmt"
	"math"

	"stillhouse/layers/tensor"
)

var le = binary.LittleEndian

// Format is how a file stores an element.
type Format uint8

// The formats, by their width in IEEE 754 and bfloat16.
const (
	F32 Format = iota
	F64
	F16
	BF16
)

// Bytes returns the width of one element.
func (f Format) Bytes() int { return [...]int{F32: 4, F64: 8, F16: 2, BF16: 2}[f] }

// Decode fills dst from as many elements of format f in src.
func Decode[T tensor.Float](dst []T, src []byte, f Format) {
	check("Decode", len(dst), len(src), f)
	switch f {
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

// Encode fills dst with as many elements of format f from src.
func Encode[T tensor.Float](dst []byte, src []T, f Format) {
	check("Encode", len(src), len(dst), f)
	switch f {
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

func check(what string, elements, bytes int, f Format) {
	if elements*f.Bytes() != bytes {
		panic(fmt.Sprintf("floats: %s: %d elements of %d bytes, and %d bytes", what, elements, f.Bytes(), bytes))
	}
}
