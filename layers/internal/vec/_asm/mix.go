package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// mixWidth is the elements of a row that mix takes, mixRows the rows of a.
const mixWidth, mixRows = 64, 4

// mixes emits the products of attention with its cache.
func mixes() {
	for rows := 1; rows <= mixRows; rows++ {
		name := fmt.Sprintf("mix%dx32", rows)
		sig := "func(n int, a *float32, lda int, x *float32, ldx int, y *float32, ldy int)"
		emitAs(sig, name, fmt.Sprintf("%s is Mix of %d rows and %d columns.", name, rows, mixWidth), "", func(f *function) {
			each := rows
			if !f.wide { // 16 registers: a row at a time, the others' x from the cache
				each = 1
			}
			for r := 0; r < rows; r += each {
				f.mix(r, each)
			}
		})
	}
}

// mix emits y[r·ldy+j] = Σ_i a[r·lda+i]·x[i·ldx+j] for rows r from first on, in
// the order of i.
func (f *function) mix(first, rows int) {
	a := f.rowPointers("a", "lda", 4, first, rows)
	x, step := Load(Param("x"), GP64()), Load(Param("ldx"), GP64())
	SHLQ(Imm(2), step)
	columns := mixWidth / f.lanes()
	acc := f.accumulators(rows * columns)
	loop, done := f.newLabel("loop"), f.newLabel("done")
	XORQ(f.i, f.i)
	CMPQ(f.i, f.n)
	JGE(LabelRef(done))
	Label(loop)
	for line := 0; first == 0 && line < 4*mixWidth; line += 64 {
		PREFETCHT0(Mem{Base: x, Disp: line + 2*aheadBytes})
	}
	weights := make([]VecVirtual, rows)
	for r := range rows {
		weights[r] = f.vec()
		VBROADCASTSS(Mem{Base: a[r], Index: f.i, Scale: 4}, weights[r])
	}
	for j := range columns {
		v := f.vec()
		VMOVUPS(Mem{Base: x, Disp: 4 * f.lanes() * j}, v)
		for r := range rows {
			VFMADD231PS(v, weights[r], acc[r*columns+j])
		}
	}
	ADDQ(step, x)
	INCQ(f.i)
	CMPQ(f.i, f.n)
	JL(LabelRef(loop))
	Label(done)
	for r, y := range f.rowPointers("y", "ldy", 4, first, rows) {
		for j := range columns {
			VMOVUPS(acc[r*columns+j], Mem{Base: y, Disp: 4 * f.lanes() * j})
		}
	}
}
