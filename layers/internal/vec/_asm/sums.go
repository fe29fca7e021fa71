package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// sums emits what only reads.
func sums() {
	const unroll = 4 // hides the latency of the addition
	total := func(name, doc, slices string, term func(f *function, acc VecVirtual)) {
		emit(name, doc, slices, "", "sum", func(f *function) {
			acc := f.accumulators(unroll)
			f.each(unroll, func(j int) { term(f, acc[j]) })
			f.result(f.fold(VADDPS, acc), "sum")
		})
	}
	total("sumSq32", "sumSq32 is SumSq.", "x", func(f *function, acc VecVirtual) {
		f.ahead("x")
		x := f.load("x")
		VFMADD231PS(x, x, acc)
	})
	total("dot32", "dot32 is Dot.", "x y", func(f *function, acc VecVirtual) {
		VFMADD231PS(f.in("y"), f.load("x"), acc)
	})
	emit("rmsSums32", "rmsSums32 is RMSSums.", "dw dy x w", "r", "sum", func(f *function) {
		r, acc := f.scalar("r"), f.accumulators(unroll)
		f.each(unroll, func(j int) {
			f.ahead("dy")
			f.ahead("x")
			dy, x, dw, t := f.load("dy"), f.load("x"), f.load("dw"), f.vec()
			VMULPS(dy, r, t)
			VFMADD231PS(x, t, dw)
			f.store(dw, "dw")
			VMULPS(f.in("w"), dy, dy)
			VFMADD231PS(x, dy, acc[j])
		})
		f.result(f.fold(VADDPS, acc), "sum")
	})
	emit("max32", "max32 is Max.", "x", "", "largest", func(f *function) {
		m := f.newMaximum(unroll)
		f.each(unroll, func(j int) { m.add(j, f.load("x")) })
		f.result(m.result(), "largest")
	})
}

func (f *function) accumulators(n int) []VecVirtual {
	acc := make([]VecVirtual, n)
	for j := range acc {
		acc[j] = f.zero()
	}
	return acc
}

// fold combines all lanes of all accumulators, halves first, into lane 0.
func (f *function) fold(op instruction, acc []VecVirtual) VecVirtual {
	for n := len(acc) / 2; n > 0; n /= 2 {
		for j := range n {
			op(acc[j+n], acc[j], acc[j])
		}
	}
	low := acc[0]
	if f.wide {
		y := YMM()
		VEXTRACTF64X4(Imm(1), low, y)
		op(y, low.AsY(), y)
		low = y
	}
	x, t := XMM(), XMM()
	if f.wide {
		VEXTRACTF32X4(Imm(1), low, x)
	} else {
		VEXTRACTF128(Imm(1), low, x)
	}
	op(x, low.AsX(), x)
	VPERMILPS(Imm(0x4e), x, t)
	op(t, x, x)
	VPERMILPS(Imm(0xb1), x, t)
	op(t, x, x)
	return x
}

// result stores lane 0 as a result of the function.
func (f *function) result(x VecVirtual, name string) {
	c, err := Return(name).Resolve()
	if err != nil {
		panic(err)
	}
	VMOVSS(x.AsX(), c.Addr)
}

// maximum is a running maximum. The processor's instruction forgets a NaN with
// the next number, so they are noted apart.
type maximum struct {
	f    *function
	none VecVirtual
	acc  []VecVirtual
	bad  Register
}

func (f *function) newMaximum(n int) *maximum {
	m := &maximum{f: f, none: f.broadcast(math.Inf(-1))}
	for range n {
		m.acc = append(m.acc, f.broadcast(math.Inf(-1)))
	}
	if f.wide {
		m.bad = K()
		KXORW(m.bad, m.bad, m.bad)
	} else {
		m.bad = f.zero()
	}
	return m
}

func (m *maximum) add(j int, x VecVirtual) {
	const unordered = 3
	if m.f.wide {
		nan := K()
		VCMPPS(Imm(unordered), x, x, nan)
		KORW(nan, m.bad, m.bad)
	} else {
		nan := m.f.vec()
		VCMPPS(Imm(unordered), x, x, nan)
		VORPS(nan, m.bad, m.bad)
	}
	x = m.f.existingOr(x, m.none)
	VMAXPS(x, m.acc[j], m.acc[j])
}

func (m *maximum) result() VecVirtual {
	x := m.f.fold(VMAXPS, m.acc)
	fine := m.f.newLabel("number")
	if m.f.wide {
		KORTESTW(m.bad, m.bad)
	} else {
		bits := GP32()
		VMOVMSKPS(m.bad, bits)
		TESTL(bits, bits)
	}
	JZ(LabelRef(fine))
	VBROADCASTSS(constant(math.NaN()), x)
	Label(fine)
	return x
}
