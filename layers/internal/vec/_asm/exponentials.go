package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// exponentials emits exp and the activations made of it.
func exponentials() {
	activation("exp32", "exp32 is Exp.", "y x", func(f *function) {
		f.store(f.exp(f.load("x")), "y")
	})
	activation("sigmoid32", "sigmoid32 is Sigmoid.", "y x", func(f *function) {
		f.store(f.sigmoid(f.load("x")), "y")
	})
	activation("softplus32", "softplus32 is Softplus.", "y x", func(f *function) {
		f.store(f.softplus(f.load("x")), "y")
	})
	activation("silu32", "silu32 is SiLU.", "y x", func(f *function) {
		f.ahead("y")
		x := f.load("x")
		d := f.onePlusExpMinus(x)
		VDIVPS(d, x, d)
		f.store(d, "y")
	})
	activation("siluGrad32", "siluGrad32 is SiLUGrad.", "dx dy x", func(f *function) {
		x := f.load("x")
		d := f.siluDerivative(x, f.sigmoid(x))
		VMULPS(f.in("dy"), d, d)
		f.store(d, "dx")
	})
	activation("swiglu32", "swiglu32 is SwiGLU.", "y gate u", func(f *function) {
		f.ahead("gate")
		f.ahead("u")
		f.ahead("y")
		g := f.load("gate")
		d := f.onePlusExpMinus(g)
		VDIVPS(d, g, d)
		VMULPS(f.in("u"), d, d)
		f.store(d, "y")
	})
	activation("swigluGrad32", "swigluGrad32 is SwiGLUGrad.", "dg du dy gate u", func(f *function) {
		for _, slice := range []string{"gate", "u", "dy", "dg", "du"} {
			f.ahead(slice)
		}
		g := f.load("gate")
		s := f.sigmoid(g)
		d := f.siluDerivative(g, s)
		dy := f.load("dy")
		VMULPS(f.in("u"), d, d)
		VMULPS(dy, d, d)
		VMULPS(g, s, s)
		VMULPS(dy, s, s)
		f.store(d, "dg")
		f.store(s, "du")
	})
	emit("expSum32", "expSum32 is ExpSum.", "y x", "s m", "sum", func(f *function) {
		f.prepareWeight()
		s, acc := f.scalars("s m"), f.accumulators(1)
		f.each(1, func(int) {
			y := f.weight(f.logarithm("x", s[0], s[1]))
			f.store(y, "y")
			VADDPS(f.existing(y), acc[0], acc[0])
		})
		f.result(f.fold(VADDPS, acc), "sum")
	})
}

func activation(name, doc, slices string, body func(f *function)) {
	emit(name, doc, slices, "", "", func(f *function) {
		f.prepareExp()
		f.each(1, func(int) { body(f) })
	})
}

// logarithm returns scale·x - shift.
func (f *function) logarithm(slice string, scale, shift VecVirtual) VecVirtual {
	x := f.load(slice)
	VFMSUB213PS(shift, scale, x)
	return x
}

// prepareExp sets the registers that exp needs. Beyond hi and lo exp is +Inf and
// 0 in float32; they bound the argument so that the reduction stays finite.
func (f *function) prepareExp() {
	f.hi, f.lo, f.one = f.broadcast(89), f.broadcast(-104), f.broadcast(1)
}

// prepareWeight sets those that weight needs.
func (f *function) prepareWeight() {
	f.hi, f.lo, f.one = f.broadcast(89), f.broadcast(leastWeight), f.broadcast(1)
}

// leastWeight is the package's.
const leastWeight = -64

// weight is exp, but 0 for x below leastWeight.
func (f *function) weight(x VecVirtual) VecVirtual {
	const notLess = 21 // or unordered: NaN is kept
	if f.wide {
		some := K()
		VCMPPS(Imm(notLess), f.lo, x, some)
		return f.expOf(x, some)
	}
	kept := f.vec()
	VCMPPS(Imm(notLess), f.lo, x, kept)
	p := f.exp(x)
	VANDPS(kept, p, p)
	return p
}

// exp returns exp(x) and leaves x: 2ⁿ·exp(r) with n = round(x·log₂e), |r| ≤ ln2/2
// and exp(r) = 1 + r + r²·p(r). p interpolates (exp(r)-1-r)/r² at the Chebyshev
// nodes; relative error 1e-8. ln2 is split so that n times its high part is exact.
func (f *function) exp(x VecVirtual) VecVirtual { return f.expOf(x, nil) }

// expOf is exp, but 0 in lanes that some, if there is one, leaves out; AVX-512 only.
func (f *function) expOf(x VecVirtual, some Register) VecVirtual {
	const ln2hi = 0.693359375
	const nearest = 8 // to even, no exceptions
	r, n := f.vec(), f.vec()
	VMINPS(x, f.hi, r) // the operand order lets NaN pass
	VMAXPS(r, f.lo, r)
	f.with(math.Log2E, VMULPS, VMULPS_BCST, r, n)
	if f.wide {
		VRNDSCALEPS(Imm(nearest), n, n)
	} else {
		VROUNDPS(Imm(nearest), n, n)
	}
	f.with(ln2hi, VFNMADD231PS, VFNMADD231PS_BCST, n, r)
	f.with(math.Ln2-ln2hi, VFNMADD231PS, VFNMADD231PS_BCST, n, r)
	p := f.horner(r, 0.0013926181810313654, 0.008363177629992688, 0.04166655462787881, 0.16666576998242938, 0.5)
	VFMADD213PS(f.one, r, p)
	VFMADD213PS(f.one, r, p)
	switch {
	case some != nil:
		VSCALEFPS_Z(n, p, some, p)
		return p
	case f.wide:
		VSCALEFPS(n, p, p)
		return p
	}
	// 2ⁿ in two factors, for n may lie beyond the normal exponents. Only the
	// second product rounds, so this is bit for bit what VSCALEFPS does.
	a, b := f.vec(), n
	VCVTPS2DQ(n, b)
	VPSRAD(Imm(1), b, a)
	VPSUBD(a, b, b)
	for _, half := range []VecVirtual{a, b} {
		VPADDD(constantBits(127), half, half)
		VPSLLD(Imm(23), half, half)
		VMULPS(half, p, p)
	}
	return p
}

// onePlusExpMinus returns 1 + exp(-x).
func (f *function) onePlusExpMinus(x VecVirtual) VecVirtual {
	t := f.vec()
	f.with(-1, VMULPS, VMULPS_BCST, x, t)
	e := f.exp(t)
	VADDPS(f.one, e, e)
	return e
}

func (f *function) sigmoid(x VecVirtual) VecVirtual {
	d := f.onePlusExpMinus(x)
	VDIVPS(d, f.one, d)
	return d
}

// siluDerivative returns s·(1 + x·(1-s)), s being σ(x).
func (f *function) siluDerivative(x, s VecVirtual) VecVirtual {
	d := f.vec()
	VSUBPS(s, f.one, d)
	VFMADD213PS(f.one, x, d)
	VMULPS(s, d, d)
	return d
}

// softplus returns max(x,0) + log(1+t), t = exp(-|x|) ≤ 1: with z = t/(2+t), the
// logarithm is 2·atanh(z) = z·(2 + z²·q(z²)), q interpolated at the Chebyshev
// nodes; relative error 4e-10.
func (f *function) softplus(x VecVirtual) VecVirtual {
	t, w, y := f.vec(), f.vec(), f.zero()
	VMAXPS(x, y, y) // the operand order lets NaN pass
	f.with(-1, VMULPS, VMULPS_BCST, x, t)
	VMINPS(x, t, t)
	z := f.exp(t)
	f.with(2, VADDPS, VADDPS_BCST, z, w)
	VDIVPS(w, z, z)
	VMULPS(z, z, w)
	q := f.horner(w, 0.23224329221551268, 0.21706575801340242, 0.2859235799427952, 0.39999706331929985, 0.6666666732052741, 2)
	VFMADD231PS(q, z, y)
	return y
}
