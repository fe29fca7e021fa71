package safetensors

import (
	"errors"
	"fmt"

	"stillhouse/layers/tensor"
)

// ErrDType is wrapped by the error for a dtype that the format defines and that
// this package does not convert, or for a conversion that loses more than
// precision.
var ErrDType = errors.New("unsupported dtype")

// DType is an element type in the spelling of the header.
type DType string

// The dtypes that can be read and written.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
)

const readable = "F64, F32, F16, BF16, I64 and I32"

// known lists every dtype of the format with its width in bits
// (huggingface/safetensors, safetensors/src/tensor.rs, enum Dtype). Those of
// fewer than eight bits pack, so a tensor's size is counted in bits first.
var known = []struct {
	dtype DType
	bits  uint64
}{
	{F32, 32}, {BF16, 16}, {F16, 16}, {F64, 64}, {I64, 64}, {I32, 32},
	{"BOOL", 8}, {"U8", 8}, {"I8", 8}, {"U16", 16}, {"I16", 16}, {"U32", 32}, {"U64", 64}, {"C64", 64},
	{"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
	{"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},
}

// lookup returns the dtype spelled s, not sharing memory with it, and its width.
func lookup(s string) (d DType, bits uint64, ok bool) {
	for _, k := range known {
		if string(k.dtype) == s {
			return k.dtype, k.bits, true
		}
	}
	return "", 0, false
}

// Bits returns the width of one element; 0 for a dtype the format does not have.
func (d DType) Bits() int {
	_, bits, _ := lookup(string(d))
	return int(bits)
}

// memory returns the element type that Read gives the dtype in memory.
func (d DType) memory() (tensor.DType, error) {
	switch d {
	case F32, F16, BF16:
		return tensor.F32, nil
	case F64:
		return tensor.F64, nil
	case I32, I64:
		return tensor.I32, nil
	}
	return 0, fmt.Errorf("%w %s: can be read are %s", ErrDType, d, readable)
}

// own returns the dtype that holds a tensor's elements exactly.
func own(d tensor.DType) DType { return DType(d.String()) }

// writable reports whether a tensor of element type t can be written as d.
func writable(t tensor.DType, d DType) bool {
	switch d {
	case F64, F32, F16, BF16:
		return t == tensor.F32 || t == tensor.F64
	case I32, I64:
		return t == tensor.I32
	}
	return false
}
