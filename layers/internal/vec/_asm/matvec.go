package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// outputs is how many rows of W go with so many rows of x, 24 sums at most: with
// fewer, the processor asks for too little of memory at a time. Package vec's
// outputs says the same.
var outputs = map[int]int{1: 8, 2: 8, 4: 6, 8: 3}

// aheadBytes is how far each row of W is asked for before it is used: enough
// for memory's latency, little enough to stay in the L1 until then. The processor
// looks ahead by itself, but only to the end of a page.
const aheadBytes = 1024

// matvec emits the products of few rows of x with some rows of W in float32 and
// in bfloat16, and the widening of the latter.
func matvec() {
	for _, half := range []bool{false, true} {
		for _, rows := range []int{1, 2, 4, 8} {
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
	d := dotter{bytes: 4, stride: outputs[rows]}
	name, doc, element := fmt.Sprintf("dots%dx32", rows), "multiplies float32 rows", "float32"
	if half {
		d.bytes = 2
		name, doc, element = fmt.Sprintf("dots%dx16", rows), "multiplies bfloat16 rows", "uint16"
	}
	sig := "func(n int, w *" + element + ", ldw int, x *float32, ldx int, y *float32)"
	emitAs(sig, name, fmt.Sprintf("%s %s by %d of x, see dots.", name, doc, rows), "", func(f *function) {
		d.function = f
		if f.wide {
			d.pass(0, rows, 0, d.stride)
			return
		}
		// 16 registers hold 12 sums and what they are made of: in several passes, all but
		// the first from the cache.
		high, long := min(rows, 4), d.stride
		for high*long > 12 {
			long /= 2
		}
		for r := 0; r < rows; r += high {
			for o := 0; o < d.stride; o += long {
				d.pass(r, min(high, rows-r), o, min(long, d.stride-o))
			}
		}
	})
}

// dotter emits the body of one of the products.
type dotter struct {
	*function
	bytes  int // of an element of W
	stride int // from one row of sums to the next
}

// pass emits the products of some rows of x from r0 on with some of W from o0 on.
func (d dotter) pass(r0, rows, o0, outs int) {
	w := d.rowPointers("w", "ldw", d.bytes, o0, outs)
	x := d.rowPointers("x", "ldx", 4, r0, rows)
	acc := d.accumulators(rows * outs)
	// A turn takes one line of each row of W, and asks for the line some turns on.
	turn := 64 / (d.lanes() * d.bytes)
	d.each(turn, func(j int) {
		for o := 0; j == 0 && o < outs; o++ {
			PREFETCHT0(Mem{Base: w[o], Index: d.i, Scale: uint8(d.bytes), Disp: aheadBytes})
		}
		// Whichever are fewer stay in registers while the others pass by.
		switch {
		case d.masked && !d.wide: // the mask has their place
			for o := range outs {
				v := d.weights(w[o])
				for r := range rows {
					VFMADD231PS(v, d.activations(x[r]), acc[r*outs+o])
				}
			}
			return
		case rows <= outs:
			xs := make([]VecVirtual, rows)
			for r := range rows {
				xs[r] = d.activations(x[r])
			}
			for o := range outs {
				v := d.weights(w[o])
				for r := range rows {
					VFMADD231PS(v, xs[r], acc[r*outs+o])
				}
			}
			return
		}
		ws := make([]VecVirtual, outs)
		for o := range outs {
			ws[o] = d.weights(w[o])
		}
		for r := range rows {
			v := d.activations(x[r])
			for o := range outs {
				VFMADD231PS(v, ws[o], acc[r*outs+o])
			}
		}
	})
	y := Load(Param("y"), GP64())
	if d.wide {
		for from := 0; from < len(acc); from += 16 {
			d.storeSums(acc[from:min(len(acc), from+16)], Mem{Base: y, Disp: 4 * from})
		}
		return
	}
	for r := range rows {
		for o := range outs {
			sum := d.fold(VADDPS, acc[r*outs+o:][:1])
			VMOVSS(sum.AsX(), Mem{Base: y, Disp: 4 * ((r0+r)*d.stride + o0 + o)})
		}
	}
}

// storeSums writes the sums of the lanes of up to 16 vectors of AVX-512, 8 or 16
// of them, whichever is enough. Each is made in the order of fold, all of them at
// once: half of the lanes are those of another vector.
func (d dotter) storeSums(acc []VecVirtual, to Mem) {
	// both adds what two shuffles pick of a and b.
	both := func(low, high func(b, a, to Op), a, b VecVirtual) VecVirtual {
		x, y := ZMM(), ZMM()
		low(b, a, x)
		high(b, a, y)
		VADDPS(x, y, x)
		return x
	}
	quarters := func(which uint64) func(b, a, to Op) {
		return func(b, a, to Op) { VSHUFF64X2(Imm(which), b, a, to) }
	}
	singles := func(which uint64) func(b, a, to Op) {
		return func(b, a, to Op) { VSHUFPS(Imm(which), b, a, to) }
	}
	halved := func(i, j int) VecVirtual { // a vector that is not there: any other
		return both(quarters(0x44), quarters(0xee), acc[i%len(acc)], acc[j%len(acc)])
	}
	// Lane 4q+j of the result is quarter q of the j-th of four: sum 4q+j.
	var four [4]VecVirtual
	for j := range four {
		a := halved(j, 4+j)
		b := a
		if len(acc) > 8 {
			b = halved(8+j, 12+j)
		}
		four[j] = both(quarters(0x88), quarters(0xdd), a, b)
	}
	low, high := func(b, a, to Op) { VUNPCKLPD(b, a, to) }, func(b, a, to Op) { VUNPCKHPD(b, a, to) }
	sums := both(singles(0x88), singles(0xdd), both(low, high, four[0], four[1]), both(low, high, four[2], four[3]))
	if len(acc) > 8 {
		VMOVUPS(sums, to)
	} else {
		VMOVUPS(sums.AsY(), to)
	}
}

// rowPointers returns the addresses of count rows from first on.
func (f *function) rowPointers(name, ld string, bytes, first, count int) []Register {
	base := Load(Param(name), GP64())
	step := Load(Param(ld), GP64())
	IMUL3Q(U32(bytes), step, step)
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

// activations returns the vector in hand of a row of x.
func (d dotter) activations(row Register) VecVirtual {
	d.ptr["x"] = row
	return d.load("x")
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
