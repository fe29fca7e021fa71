package main

import (
	"fmt"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// function is one assembly function while it is emitted. Its body is emitted
// twice, with wide for AVX-512 and without for AVX2; the entry chooses by the
// package's variable isa.
type function struct {
	label  string // unique in the function, prefix of the labels
	labels int
	wide   bool

	n, i   Register            // elements; first element of this turn of the loop
	ptr    map[string]Register // of the slices
	offset int                 // bytes from element i to the vector in hand

	masked bool     // in the tail, where only lanes < n-i exist
	mask   Register // K if wide, else YMM of all ones and zeros

	hi, lo, one VecVirtual // see prepareExp
}

// wideISA is the value of the package's isa that stands for AVX-512.
const wideISA = 2

// emit writes the function name(n, slices…, scalars…) results…, whose body
// emits its loops by calling each.
func emit(name, doc, slices, scalars, results string, body func(f *function)) {
	emitAs(signature(slices, scalars, results), name, doc, slices, body)
}

// emitAs is emit for any signature that has the length n; slices are the
// parameters that body refers to by the vector in hand.
func emitAs(sig, name, doc, slices string, body func(f *function)) {
	declared = append(declared, name+strings.TrimPrefix(sig, "func"))
	TEXT(name, 0x4 /* NOSPLIT */, sig)
	Doc(doc)
	Pragma("noescape")
	CMPB(Mem{Symbol: Symbol{Name: "·isa"}, Base: StaticBase}, Imm(wideISA))
	JNE(LabelRef(name + "_narrow"))
	for _, wide := range []bool{true, false} {
		f := &function{label: name + "_wide", wide: wide, ptr: map[string]Register{}}
		if !wide {
			f.label = name + "_narrow"
			Label(f.label)
		}
		f.n, f.i = Load(Param("n"), GP64()), GP64()
		for _, s := range strings.Fields(slices) {
			f.ptr[s] = Load(Param(s), GP64())
		}
		body(f)
		VZEROUPPER()
		RET()
	}
}

// declared are the functions emitted, as declarations without func.
var declared []string

func signature(slices, scalars, results string) string {
	sig := "func(n int"
	if slices != "" {
		sig += ", " + strings.Join(strings.Fields(slices), ", ") + " *float32"
	}
	if scalars != "" {
		sig += ", " + strings.Join(strings.Fields(scalars), ", ") + " float32"
	}
	sig += ")"
	if results != "" {
		sig += " (" + strings.Join(strings.Fields(results), ", ") + " float32)"
	}
	return sig
}

// vec returns a new vector register.
func (f *function) vec() VecVirtual {
	if f.wide {
		return ZMM()
	}
	return YMM()
}

// lanes returns the elements of a vector.
func (f *function) lanes() int {
	if f.wide {
		return 16
	}
	return 8
}

// newLabel returns a label no one else has.
func (f *function) newLabel(what string) string {
	f.labels++
	return fmt.Sprintf("%s_%s%d", f.label, what, f.labels)
}

// scalar returns a parameter in every lane.
func (f *function) scalar(name string) VecVirtual {
	c, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := f.vec()
	VBROADCASTSS(c.Addr, v)
	return v
}

func (f *function) zero() VecVirtual {
	v := f.vec()
	if f.wide {
		VPXORD(v, v, v)
	} else {
		VXORPS(v, v, v)
	}
	return v
}

// at returns the address of the vector in hand.
func (f *function) at(slice string) Mem {
	return Mem{Base: f.ptr[slice], Index: f.i, Scale: 4, Disp: f.offset}
}

// load returns the vector in hand, zero in lanes that do not exist.
func (f *function) load(slice string) VecVirtual {
	v := f.vec()
	switch {
	case f.masked && f.wide:
		VMOVUPS_Z(f.at(slice), f.mask, v)
	case f.masked:
		VMASKMOVPS(f.at(slice), f.mask, v)
	default:
		VMOVUPS(f.at(slice), v)
	}
	return v
}

// in is load, but leaves the reading to the instruction where it can.
func (f *function) in(slice string) Op {
	if f.masked {
		return f.load(slice)
	}
	return f.at(slice)
}

// store writes the lanes that exist.
func (f *function) store(v VecVirtual, slice string) {
	switch {
	case f.masked && f.wide:
		VMOVUPS(v, f.mask, f.at(slice))
	case f.masked:
		VMASKMOVPS(v, f.mask, f.at(slice))
	default:
		VMOVUPS(v, f.at(slice))
	}
}

// streamAhead is how many bytes before its use memory that is passed over once is
// asked for: a processor's own prefetching ends at the pages of 4 KiB and starts
// anew after them. Of 256 bytes to 8 KiB, 2 KiB was the best or as good.
const streamAhead = 2048

// ahead asks for what the slice holds streamAhead after the vector in hand, past
// the slice's end too: a hint reads nothing. It goes to the L2: the L1 has room for
// little that is not needed at once.
func (f *function) ahead(slice string) {
	const line = 64
	if f.masked || f.offset%line != 0 {
		return
	}
	m := f.at(slice)
	m.Disp += streamAhead
	PREFETCHT1(m)
}

// existing zeroes the lanes of v that do not exist.
func (f *function) existing(v VecVirtual) VecVirtual {
	switch {
	case f.masked && f.wide:
		VMOVAPS_Z(v, f.mask, v)
	case f.masked:
		VANDPS(v, f.mask, v)
	}
	return v
}

// existingOr returns v with the lanes that do not exist taken from other.
func (f *function) existingOr(v, other VecVirtual) VecVirtual {
	if !f.masked {
		return v
	}
	r := f.vec()
	if f.wide {
		VBLENDMPS(v, other, f.mask, r)
	} else {
		VBLENDVPS(f.mask, v, other, r)
	}
	return r
}

// each emits the loop over all elements: turns of unroll vectors, single
// vectors, and a masked rest. body emits the work on the vector in hand; j
// tells the vectors of a turn apart, so that sums need not wait for each other.
func (f *function) each(unroll int, body func(j int)) {
	XORQ(f.i, f.i)
	limit := GP64()
	turns := []int{unroll, 1}
	if unroll == 1 {
		turns = turns[1:]
	}
	for _, u := range turns {
		loop, done := f.newLabel("loop"), f.newLabel("done")
		step := u * f.lanes()
		LEAQ(Mem{Base: f.n, Disp: -step}, limit)
		CMPQ(f.i, limit)
		JGT(LabelRef(done))
		Label(loop)
		for j := range u {
			f.offset = 4 * f.lanes() * j
			body(j)
		}
		f.offset = 0
		ADDQ(Imm(uint64(step)), f.i)
		CMPQ(f.i, limit)
		JLE(LabelRef(loop))
		Label(done)
	}
	end := f.newLabel("end")
	rest := GP64()
	MOVQ(f.n, rest)
	SUBQ(f.i, rest)
	JZ(LabelRef(end))
	f.maskFirst(rest)
	f.masked = true
	body(1 % unroll)
	f.masked = false
	Label(end)
}

// maskFirst makes the mask of the first rest lanes.
func (f *function) maskFirst(rest Register) {
	if f.wide {
		bits := GP64()
		MOVQ(I32(-1), bits)
		BZHIQ(rest, bits, bits)
		f.mask = K()
		KMOVW(bits.As32(), f.mask)
		return
	}
	f.mask = YMM()
	base := GP64()
	LEAQ(edge(), base)
	NEGQ(rest)
	VMOVUPS(Mem{Base: base, Index: rest, Scale: 4, Disp: 32}, f.mask)
}
