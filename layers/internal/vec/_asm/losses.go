package main

import (
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/reg"
)

// losses emits the rows of softmax losses and the optimizer.
func losses() {
	emit("logSumExp32", "logSumExp32 is LogSumExp.", "x", "scale", "m z", func(f *function) {
		f.prepareWeight()
		scale, top := f.scalars("scale")[0], f.newMaximum(4)
		f.each(4, func(j int) {
			x := f.vec()
			VMULPS(f.in("x"), scale, x)
			top.add(j, x)
		})
		m := f.vec()
		VBROADCASTSS(top.result().AsX(), m)
		f.result(m, "m")
		acc := f.accumulators(1)
		f.each(1, func(int) {
			VADDPS(f.existing(f.weight(f.logarithm("x", scale, m))), acc[0], acc[0])
		})
		f.result(f.fold(VADDPS, acc), "z")
	})
	const rows, row = "d s t", "scale ls lt"
	emit("reverseKLRow32", "reverseKLRow32 is ReverseKLRow.", rows, row, "kl", func(f *function) {
		f.prepareWeight()
		s, acc := f.scalars(row), f.accumulators(1)
		f.each(1, func(int) {
			lq, diff := f.logarithm("s", s[0], s[1]), f.logarithm("t", s[0], s[2])
			VSUBPS(diff, lq, diff)
			q := f.weight(lq)
			f.store(q, "d")
			VMULPS(diff, q, q)
			VADDPS(f.existing(q), acc[0], acc[0])
		})
		f.result(f.fold(VADDPS, acc), "kl")
	})
	emit("reverseKLGrad32", "reverseKLGrad32 is ReverseKLGrad.", rows, row+" kl w", "", func(f *function) {
		f.prepareWeight()
		s := f.scalars(row + " kl w")
		f.each(1, func(int) {
			lq, diff := f.logarithm("s", s[0], s[1]), f.logarithm("t", s[0], s[2])
			VSUBPS(diff, lq, diff)
			VSUBPS(s[3], diff, diff)
			q := f.weight(lq)
			VMULPS(s[4], q, q)
			VMULPS(diff, q, q)
			f.store(q, "d")
		})
	})
	emit("forwardKLRow32", "forwardKLRow32 is ForwardKLRow.", rows, row, "kl", func(f *function) {
		f.prepareWeight()
		s, acc := f.scalars(row), f.accumulators(1)
		f.each(1, func(int) {
			lq, lp := f.logarithm("s", s[0], s[1]), f.logarithm("t", s[0], s[2])
			q, p := f.weight(lq), f.weight(lp)
			VSUBPS(p, q, q)
			f.store(q, "d")
			VSUBPS(lq, lp, lp)
			VMULPS(p, lp, lp)
			VADDPS(f.existing(lp), acc[0], acc[0])
		})
		f.result(f.fold(VADDPS, acc), "kl")
	})
	const decay = "gscale beta1 rest1 beta2 rest2 keep step correct eps"
	emit("adamW32", "adamW32 is AdamW with rest = 1-beta, keep = 1-lr·decay, step = lr/c1, correct = 1/c2.", "w m v grad", decay, "", func(f *function) {
		s := f.scalars(decay)
		gscale, beta1, rest1, beta2, rest2 := s[0], s[1], s[2], s[3], s[4]
		keep, step, correct, eps := s[5], s[6], s[7], s[8]
		f.each(1, func(int) {
			d, t := f.vec(), f.vec()
			VMULPS(f.in("grad"), gscale, d)
			m, v := f.load("m"), f.load("v")
			VMULPS(rest1, d, t)
			VFMADD213PS(t, beta1, m)
			VMULPS(rest2, d, t)
			VMULPS(beta2, v, v)
			VFMADD231PS(d, t, v) // d² by itself might be denormal
			f.normal(m)
			f.normal(v)
			f.store(m, "m")
			f.store(v, "v")
			VMULPS(correct, v, v)
			VSQRTPS(v, v)
			VADDPS(eps, v, v)
			VDIVPS(v, m, m)
			w := f.load("w")
			VMULPS(keep, w, w)
			VFNMADD231PS(m, step, w)
			f.store(w, "w")
		})
	})
}

// normal makes denormal lanes 0.
func (f *function) normal(x VecVirtual) {
	exponent := constantBits(0x7f800000)
	if f.wide {
		some := K()
		VPTESTMD_BCST(exponent, x, some)
		VMOVAPS_Z(x, some, x)
		return
	}
	none := f.vec()
	VPAND(exponent, x, none)
	VPCMPEQD(f.zero(), none, none)
	VANDNPS(x, none, x)
}

// scalars returns the named parameters in every lane.
func (f *function) scalars(names string) (s []VecVirtual) {
	for _, name := range strings.Fields(names) {
		s = append(s, f.scalar(name))
	}
	return s
}
