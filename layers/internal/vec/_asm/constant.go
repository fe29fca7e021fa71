package main

import (
	"fmt"
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

const readOnly = 0x8 | 0x10 // RODATA|NOPTR

// constants holds the 32-byte tables emitted, one for each value: AVX2 reads a
// whole vector, AVX-512 broadcasts the first element.
var constants = map[uint32]Mem{}

func constantBits(bits uint32) Mem {
	m, ok := constants[bits]
	if !ok {
		m = GLOBL(fmt.Sprintf("const%08x", bits), readOnly)
		for i := range 8 {
			DATA(4*i, U32(bits))
		}
		constants[bits] = m
	}
	return m
}

func constant(x float64) Mem { return constantBits(math.Float32bits(float32(x))) }

// broadcast returns the constant in a register.
func (f *function) broadcast(x float64) VecVirtual {
	v := f.vec()
	VBROADCASTSS(constant(x), v)
	return v
}

// instruction is one of avo's functions.
type instruction func(ops ...Op)

// with emits an instruction whose first operand is a constant: full for AVX2,
// bcst for AVX-512.
func (f *function) with(x float64, full, bcst instruction, ops ...Op) {
	if f.wide {
		full = bcst
	}
	full(append([]Op{constant(x)}, ops...)...)
}

// horner emits p = (…(c[0]·r + c[1])·r + …) + c[last].
func (f *function) horner(r VecVirtual, c ...float64) (p VecVirtual) {
	p = f.broadcast(c[0])
	for _, x := range c[1:] {
		f.with(x, VFMADD213PS, VFMADD213PS_BCST, r, p)
	}
	return p
}

var edgeTable *Mem

// edge returns eight words of ones and eight of zeros: read from word 8-k, the
// mask of the first k lanes.
func edge() Mem {
	if edgeTable == nil {
		m := GLOBL("edge", readOnly)
		for i := range 16 {
			word := ^uint32(0)
			if i >= 8 {
				word = 0
			}
			DATA(4*i, U32(word))
		}
		edgeTable = &m
	}
	return *edgeTable
}
