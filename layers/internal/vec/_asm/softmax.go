package main

import (
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// softmax emits attention's two passes over rows of scores. All rows have the same
// length, so that a processor foresees where each ends and begins the next one while
// this one's sum is still being added up.
func softmax() {
	overRows("softmax32", "softmax32 is Softmax.", "x", "m z", func(f *function, s VecVirtual, m, z Mem) {
		none := f.broadcast(math.Inf(-1))
		top := []VecVirtual{f.broadcast(math.Inf(-1)), f.broadcast(math.Inf(-1))}
		f.each(2, func(j int) { // a NaN may pass here: the sum tells
			VMAXPS(f.existingOr(f.load("x"), none), top[j], top[j])
		})
		most := f.vec()
		VBROADCASTSS(f.fold(VMAXPS, top).AsX(), most)
		VMULPS(s, most, most)
		VMOVSS(most.AsX(), m)
		acc := f.accumulators(2)
		f.each(2, func(j int) {
			y := f.weight(f.logarithm("x", s, most))
			f.store(y, "x")
			VADDPS(f.existing(y), acc[j], acc[j])
		})
		VMOVSS(f.fold(VADDPS, acc).AsX(), z)
	})
	overRows("softmaxGrad32", "softmaxGrad32 is SoftmaxGrad.", "x dp", "m r", func(f *function, s VecVirtual, m, r Mem) {
		most, over := f.vec(), f.vec()
		VBROADCASTSS(m, most)
		VBROADCASTSS(r, over)
		acc := f.accumulators(2)
		f.each(2, func(j int) {
			p := f.weight(f.logarithm("x", s, most))
			VMULPS(over, p, p)
			f.store(p, "x")
			VFMADD231PS(f.in("dp"), f.existing(p), acc[j]) // beyond the row p may be infinite
		})
		mean := f.vec()
		VBROADCASTSS(f.fold(VADDPS, acc).AsX(), mean)
		f.each(2, func(int) {
			p, d := f.load("x"), f.load("dp")
			VSUBPS(mean, d, d)
			VMULPS(s, p, p)
			VMULPS(p, d, d)
			f.store(d, "dp")
		})
	})
}

// overRows emits a function over rows of n elements of the slices, ld apart, with a
// number of each row in two more.
func overRows(name, doc, slices, numbers string, row func(f *function, s VecVirtual, first, second Mem)) {
	sig := signature(slices, "s", "")
	sig = sig[:len(sig)-1] + ", ld int, rows int, " + strings.Join(strings.Fields(numbers), ", ") + " *float32)"
	emitAs(sig, name, doc, slices, func(f *function) {
		f.prepareWeight()
		s := f.scalar("s")
		ld, rows := Load(Param("ld"), GP64()), Load(Param("rows"), GP64())
		SHLQ(Imm(2), ld)
		var at []Mem
		for _, number := range strings.Fields(numbers) {
			at = append(at, Mem{Base: Load(Param(number), GP64())})
		}
		next := f.newLabel("row")
		Label(next)
		row(f, s, at[0], at[1])
		for _, slice := range strings.Fields(slices) {
			ADDQ(ld, f.ptr[slice])
		}
		for _, m := range at {
			ADDQ(Imm(4), m.Base)
		}
		DECQ(rows)
		JNZ(LabelRef(next))
	})
}
