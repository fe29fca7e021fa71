package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// decays emits what a scan multiplies its chunks by.
func decays() {
	emit("decay32", "decay32 is Decay.", "y high low w", "h l", "", func(f *function) {
		f.prepareWeight()
		s := f.scalars("h l")
		f.each(1, func(int) { f.decay("y", s[0], s[1]) })
	})
	triangle := func(name, doc, slices, others string, body func(f *function, h, l VecVirtual)) {
		sig := signature(slices+" "+others, "", "")
		emitAs(sig[:len(sig)-1]+", ld int)", name, doc, slices, func(f *function) {
			f.prepareWeight()
			body(f, f.vec(), f.vec())
		})
	}
	triangle("decayRows32", "decayRows32 is DecayRows.", "y high low w", "", func(f *function, h, l VecVirtual) {
		ld, rows, high, low := Load(Param("ld"), GP64()), GP64(), GP64(), GP64()
		MOVQ(f.n, rows)
		MOVQ(f.ptr["high"], high)
		MOVQ(f.ptr["low"], low)
		MOVQ(U32(1), f.n)
		next := f.newLabel("row")
		Label(next)
		VBROADCASTSS(Mem{Base: high}, h)
		VBROADCASTSS(Mem{Base: low}, l)
		f.each(1, func(int) { f.decay("y", h, l) })
		LEAQ(Mem{Base: f.ptr["y"], Index: ld, Scale: 4}, f.ptr["y"])
		ADDQ(Imm(4), high)
		ADDQ(Imm(4), low)
		INCQ(f.n)
		CMPQ(f.n, rows)
		JLE(LabelRef(next))
	})
	triangle("decayRowsGrad32", "decayRowsGrad32 is DecayRowsGrad.", "y dy sum high low w", "before", func(f *function, h, l VecVirtual) {
		ld, before, step := Load(Param("ld"), GP64()), Load(Param("before"), GP64()), GP64()
		SHLQ(Imm(2), ld)
		LEAQ(Mem{Base: f.n, Disp: -1}, step)
		IMULQ(ld, step)
		ADDQ(step, f.ptr["y"]) // the last row
		ADDQ(step, f.ptr["dy"])
		next := f.newLabel("row")
		Label(next)
		VBROADCASTSS(Mem{Base: f.ptr["high"], Index: f.n, Scale: 4, Disp: -4}, h)
		VBROADCASTSS(Mem{Base: f.ptr["low"], Index: f.n, Scale: 4, Disp: -4}, l)
		f.each(1, func(int) {
			e := f.decayOf(h, l)
			y, dy, sum := f.load("y"), f.load("dy"), f.load("sum")
			VMULPS(e, y, y)
			VFMADD231PS(dy, y, sum)
			VMULPS(e, dy, dy)
			f.store(y, "y")
			f.store(sum, "sum")
			f.store(dy, "dy")
		})
		SUBQ(ld, f.ptr["y"])
		SUBQ(ld, f.ptr["dy"])
		DECQ(f.n)
		acc := f.accumulators(1)
		f.each(1, func(int) { VADDPS(f.in("sum"), acc[0], acc[0]) })
		VMOVSS(f.fold(VADDPS, acc).AsX(), Mem{Base: before, Index: f.n, Scale: 4})
		TESTQ(f.n, f.n)
		JNZ(LabelRef(next))
	})
}

// decayOf returns exp((h - high) + (l - low))·w.
func (f *function) decayOf(h, l VecVirtual) VecVirtual {
	x, low := f.vec(), f.vec()
	VSUBPS(f.in("high"), h, x)
	VSUBPS(f.in("low"), l, low)
	VADDPS(low, x, x)
	e := f.weight(x)
	VMULPS(f.in("w"), e, e)
	return e
}

// decay multiplies a slice by decayOf.
func (f *function) decay(slice string, h, l VecVirtual) {
	e := f.decayOf(h, l)
	VMULPS(f.in(slice), e, e)
	f.store(e, slice)
}
