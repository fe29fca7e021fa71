package gguf

import (
	"errors"
	"fmt"

	"stillhouse/checkpoints/internal/floats"
)

// ErrType is wrapped by the error for a type of tensor that the format defines
// and that this package does not convert.
var ErrType = errors.New("unsupported type")

// Type is how a tensor's elements are stored, by its number in the file.
type Type uint32

// The types that can be read and written.
const (
	F32  Type = 0
	F16  Type = 1
	BF16 Type = 30
)

// types has every type of ggml (ggml/include/ggml.h, enum ggml_type; numbers that
// are not here were given up): its name, and how many elements make a block of
// how many bytes (gguf-py, GGML_QUANT_SIZES). A row is whole blocks.
var types = map[Type]struct {
	name            string
	elements, bytes uint64
}{
	F32: {"F32", 1, 4}, F16: {"F16", 1, 2}, BF16: {"BF16", 1, 2}, 28: {"F64", 1, 8},
	24: {"I8", 1, 1}, 25: {"I16", 1, 2}, 26: {"I32", 1, 4}, 27: {"I64", 1, 8},
	2: {"Q4_0", 32, 18}, 3: {"Q4_1", 32, 20}, 6: {"Q5_0", 32, 22}, 7: {"Q5_1", 32, 24}, 8: {"Q8_0", 32, 34}, 9: {"Q8_1", 32, 36},
	10: {"Q2_K", 256, 84}, 11: {"Q3_K", 256, 110}, 12: {"Q4_K", 256, 144}, 13: {"Q5_K", 256, 176}, 14: {"Q6_K", 256, 210}, 15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66}, 17: {"IQ2_XS", 256, 74}, 18: {"IQ3_XXS", 256, 98}, 19: {"IQ1_S", 256, 50}, 20: {"IQ4_NL", 32, 18},
	21: {"IQ3_S", 256, 110}, 22: {"IQ2_S", 256, 82}, 23: {"IQ4_XS", 256, 136}, 29: {"IQ1_M", 256, 56},
	34: {"TQ1_0", 256, 54}, 35: {"TQ2_0", 256, 66}, 39: {"MXFP4", 32, 17}, 40: {"NVFP4", 64, 36}, 41: {"Q1_0", 128, 18}, 42: {"Q2_0", 64, 18},
}

// String returns the type's name in ggml, or its number when it has none.
func (t Type) String() string {
	if k, ok := types[t]; ok {
		return k.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// format returns how package floats names the type.
func (t Type) format() (floats.Format, error) {
	switch t {
	case F32:
		return floats.F32, nil
	case F16:
		return floats.F16, nil
	case BF16:
		return floats.BF16, nil
	}
	return 0, fmt.Errorf("%w %v: can be read are F32, F16 and BF16 (hint: convert or dequantise the file)", ErrType, t)
}
