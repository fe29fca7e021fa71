package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// outputs is how many rows of W one call multiplies: enough chains of additions
// to hide their latency, few enough to leave registers for four rows of x.
const outputs = 4

// aheadBytes is how far each row of W is asked for before it is used: enough
// for memory's latency, little enough to stay in the L1 until then.
const aheadBytes = 512

// matvec emits the products of one, two and four rows of x with four rows of W
// in float32 and in bfloat16, and the widening of the latter.
func matvec() {
	for _, half := range []bool{false, true} {
		for _, rows := range []int{1, 2, 4} {
			dots(rows, half)
		}
	}
	emitAs("func(n int, y *float32, x *uint16)", "widen32", "widen32 is Widen for whole vectors.", "y x", func(f *function) {
		f.each(2, func(int) {
			v := f.vec()
			VPMOVZXWD(Mem{Base: f.ptr["x"], Index: f.i, Scale: 2, Disp: f.offset / 2}, v)
			VPSLLD(Imm(16), v, v)
			f.store(v, "y")
		})
	})
}

// dots emits y[outputs·r+o] = Σ x[r·ldx+i]·w[o·ldw+i]. Each sum is one running
// sum of one vector, so that its order depends on n alone. W of 16 bits is read
// in whole vectors: its rows are as long as that.
func dots(rows int, half bool) {
	d := dotter{bytes: 4}
	name, doc, element := fmt.Sprintf("dots%dx32", rows), "multiplies float32 rows", "float32"
	if half {
		d.bytes = 2
		name, doc, element = fmt.Sprintf("dots%dx16", rows), "multiplies bfloat16 rows", "uint16"
	}
	sig := "func(n int, w *" + element + ", ldw int, x *float32, ldx int, y *float32)"
	emitAs(sig, name, fmt.Sprintf("%s %s by %d of x, see dots.", name, doc, rows), "", func(f *function) {
		d.function = f
		if rows*outputs > 8 && !f.wide { // 16 registers: in two halves, the second from the cache
			d.pass(0, rows/2)
			d.pass(rows/2, rows/2)
			return
		}
		d.pass(0, rows)
	})
}

// dotter emits the body of one of the products.
type dotter struct {
	*function
	bytes int // of an element of W
}

// pass emits the products of some rows of x from first on.
func (d dotter) pass(first, rows int) {
	ld := Load(Param("ldw"), GP64())
	w := d.rowPointers("w", ld, d.bytes, 0, outputs)
	x := d.rowPointers("x", Load(Param("ldx"), GP64()), 4, first, rows)
	acc := d.accumulators(rows * outputs)
	// A turn takes one line of each row of W, and asks for the line some turns on.
	turn := 64 / (d.lanes() * d.bytes)
	d.each(turn, func(j int) {
		for o := 0; j == 0 && o < outputs; o++ {
			PREFETCHT0(Mem{Base: w[o], Index: d.i, Scale: uint8(d.bytes), Disp: aheadBytes})
		}
		xs := make([]VecVirtual, rows)
		for r := range rows {
			d.ptr["x"] = x[r]
			xs[r] = d.load("x")
		}
		for o := range outputs {
			v := d.weights(w[o])
			for r := range rows {
				VFMADD231PS(v, xs[r], acc[r*outputs+o])
			}
		}
	})
	y := Load(Param("y"), GP64())
	for r := range rows {
		for o := range outputs {
			sum := d.fold(VADDPS, acc[r*outputs+o:][:1])
			VMOVSS(sum.AsX(), Mem{Base: y, Disp: 4 * ((first+r)*outputs + o)})
		}
	}
}

// rowPointers returns the addresses of count rows from first on.
func (d dotter) rowPointers(name string, ld Register, bytes, first, count int) []Register {
	base := Load(Param(name), GP64())
	step := GP64()
	IMUL3Q(U32(bytes), ld, step)
	for range first {
		ADDQ(step, base)
	}
	rows := []Register{base}
	for len(rows) < count {
		next := GP64()
		LEAQ(Mem{Base: rows[len(rows)-1], Index: step, Scale: 1}, next)
		rows = append(rows, next)
	}
	return rows
}

// weights returns the vector in hand of a row of W.
func (d dotter) weights(row Register) VecVirtual {
	if d.bytes == 4 {
		d.ptr["w"] = row
		return d.load("w")
	}
	v := d.vec()
	VPMOVZXWD(Mem{Base: row, Index: d.i, Scale: 2, Disp: d.offset / 2}, v)
	VPSLLD(Imm(16), v, v)
	return v
}
