package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// arithmetic emits the functions of a few additions and products an element.
func arithmetic() {
	elementwise("add32", "add32 is Add.", "y a b", "", func(f *function, s []VecVirtual) {
		y := f.load("a")
		VADDPS(f.in("b"), y, y)
		f.store(y, "y")
	})
	elementwise("addTo32", "addTo32 is AddTo.", "y x", "", func(f *function, s []VecVirtual) {
		y := f.load("y")
		VADDPS(f.in("x"), y, y)
		f.store(y, "y")
	})
	elementwise("mul32", "mul32 is Mul.", "y a b", "", func(f *function, s []VecVirtual) {
		y := f.load("a")
		VMULPS(f.in("b"), y, y)
		f.store(y, "y")
	})
	elementwise("mulTo32", "mulTo32 is MulTo.", "y x", "", func(f *function, s []VecVirtual) {
		y := f.load("y")
		VMULPS(f.in("x"), y, y)
		f.store(y, "y")
	})
	elementwise("mulAddTo32", "mulAddTo32 is MulAddTo.", "y a b", "", func(f *function, s []VecVirtual) {
		y := f.load("y")
		VFMADD231PS(f.in("b"), f.load("a"), y)
		f.store(y, "y")
	})
	elementwise("scale32", "scale32 is Scale.", "y x", "s", func(f *function, s []VecVirtual) {
		y := f.vec()
		VMULPS(f.in("x"), s[0], y)
		f.store(y, "y")
	})
	elementwise("axpy32", "axpy32 is Axpy.", "y x", "s", func(f *function, s []VecVirtual) {
		y := f.load("y")
		VFMADD231PS(f.in("x"), s[0], y)
		f.store(y, "y")
	})
	elementwise("axpby32", "axpby32 is Axpby.", "y x", "s r", func(f *function, s []VecVirtual) {
		y := f.load("y")
		VMULPS(s[1], y, y)
		VFMADD231PS(f.in("x"), s[0], y)
		f.store(y, "y")
	})
	elementwise("rmsApply32", "rmsApply32 is RMSApply.", "y a b", "s", func(f *function, s []VecVirtual) {
		y := f.vec()
		VMULPS(f.in("a"), s[0], y)
		VMULPS(f.in("b"), y, y)
		f.store(y, "y")
	})
	elementwise("mulAddScalar32", "mulAddScalar32 is MulAddScalar.", "h a u", "s", func(f *function, s []VecVirtual) {
		h := f.load("h")
		VMULPS(f.in("a"), h, h)
		VFMADD231PS(f.in("u"), s[0], h)
		f.store(h, "h")
	})
	elementwise("triad32", "triad32 is Triad.", "a b c", "s", func(f *function, s []VecVirtual) {
		a := f.load("b")
		VFMADD231PS(f.in("c"), s[0], a)
		f.store(a, "a")
	})
	elementwise("rmsGrad32", "rmsGrad32 is RMSGrad.", "dx dy x w", "r c", func(f *function, s []VecVirtual) {
		f.ahead("dx") // a line that is stored to is fetched first
		t := f.vec()
		VMULPS(f.in("w"), s[0], t)
		VMULPS(f.in("dy"), t, t)
		VFNMADD231PS(f.in("x"), s[1], t)
		f.store(t, "dx")
	})
	elementwise("convFour32", "convFour32 is Conv4.", "y x0 x1 x2 x3 w0 w1 w2 w3 b", "", func(f *function, s []VecVirtual) {
		f.ahead("x3")
		f.ahead("y")
		y := f.load("b")
		for _, k := range []string{"0", "1", "2", "3"} {
			VFMADD231PS(f.in("w"+k), f.load("x"+k), y)
		}
		f.store(y, "y")
	})
	elementwise("convGradFour32", "convGradFour32 is ConvGrad4.", "dw0 dw1 dw2 dw3 db dy x0 x1 x2 x3", "", func(f *function, s []VecVirtual) {
		dy := f.load("dy")
		for _, k := range []string{"0", "1", "2", "3"} {
			dw := f.load("dw" + k)
			VFMADD231PS(f.in("x"+k), dy, dw)
			f.store(dw, "dw"+k)
		}
		VADDPS(f.in("db"), dy, dy)
		f.store(dy, "db")
	})
	elementwise("rotate32", "rotate32 is Rotate.", "y1 y2 x1 x2 cos sin", "", rotate(VFNMADD231PS, VFMADD231PS))
	elementwise("rotateBack32", "rotateBack32 is RotateBack.", "y1 y2 x1 x2 cos sin", "", rotate(VFMADD231PS, VFNMADD231PS))
}

// elementwise emits a function without result; s are its scalars.
func elementwise(name, doc, slices, scalars string, body func(f *function, s []VecVirtual)) {
	emit(name, doc, slices, scalars, "", func(f *function) {
		s := f.scalars(scalars)
		f.each(2, func(int) { body(f, s) })
	})
}

// rotate emits y1 = x1·cos ± x2·sin and y2 = x2·cos ∓ x1·sin.
func rotate(first, second instruction) func(f *function, s []VecVirtual) {
	return func(f *function, _ []VecVirtual) {
		a, b, sin := f.load("x1"), f.load("x2"), f.load("sin")
		y1, y2 := f.vec(), f.vec()
		cos := f.in("cos")
		VMULPS(cos, a, y1)
		VMULPS(cos, b, y2)
		first(sin, b, y1)
		second(sin, a, y2)
		f.store(y1, "y1")
		f.store(y2, "y2")
	}
}
