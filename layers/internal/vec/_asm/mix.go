package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// mixWidths are the elements of a row that mix takes, mixRows the most rows of a.
var mixWidths = []int{64, 32, 16}

const mixRows = 4

// mixes emits the products of attention with its cache.
func mixes() {
	for _, width := range mixWidths {
		for rows := 1; rows <= mixRows; rows++ {
			name := fmt.Sprintf("mix%dx%d", rows, width)
			sig := "func(n int, a *float32, lda int, x *float32, ldx int, y *float32, ldy int)"
			emitAs(sig, name, fmt.Sprintf("%s is Mix of %d rows and %d columns.", name, rows, width), "", func(f *function) {
				columns, each := width/f.lanes(), width/f.lanes()
				if !f.wide { // 16 registers: whole lines of x for all rows, rather than a row at a time
					each = min(columns, []int{8, 4, 4, 2}[rows-1])
				}
				for j := 0; j < columns; j += each {
					f.mix(width, rows, j, each)
				}
			})
		}
	}
}

// mix emits y[r·ldy+j] = Σ_i a[r·lda+i]·x[i·ldx+j] for some vectors of columns j, from
// the first-th on, in the order of i. The first ask for the lines of all.
func (f *function) mix(width, rows, first, columns int) {
	a := f.rowPointers("a", "lda", 4, 0, rows)
	x, step := Load(Param("x"), GP64()), Load(Param("ldx"), GP64())
	SHLQ(Imm(2), step)
	from := 4 * f.lanes() * first
	acc := f.accumulators(rows * columns)
	loop, done := f.newLabel("loop"), f.newLabel("done")
	XORQ(f.i, f.i)
	CMPQ(f.i, f.n)
	JGE(LabelRef(done))
	Label(loop)
	for line := 0; first == 0 && line < 4*width; line += 64 {
		PREFETCHT0(Mem{Base: x, Disp: line + 2*aheadBytes})
	}
	weights := make([]VecVirtual, rows)
	for r := range rows {
		weights[r] = f.vec()
		VBROADCASTSS(Mem{Base: a[r], Index: f.i, Scale: 4}, weights[r])
	}
	for j := range columns {
		v := f.vec()
		VMOVUPS(Mem{Base: x, Disp: from + 4*f.lanes()*j}, v)
		for r := range rows {
			VFMADD231PS(v, weights[r], acc[r*columns+j])
		}
	}
	ADDQ(step, x)
	INCQ(f.i)
	CMPQ(f.i, f.n)
	JL(LabelRef(loop))
	Label(done)
	for r, y := range f.rowPointers("y", "ldy", 4, 0, rows) {
		for j := range columns {
			VMOVUPS(acc[r*columns+j], Mem{Base: y, Disp: from + 4*f.lanes()*j})
		}
	}
}
