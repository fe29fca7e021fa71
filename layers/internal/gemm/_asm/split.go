package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// split emits steps of 16 pairs of vectors, cut into three bfloat16 parts that sum
// to them: x = high + middle + low, each the nearest to what is left. Row i of a
// part holds for each lane the pair's two elements. Turned, lanes become rows.
func split(words Mem, name, doc string, turned bool) {
	TEXT(name, NOSPLIT, "func(steps int, src *float32, row, pair, step int, high *float32, part int)")
	Doc(name + doc)
	Pragma("noescape")
	steps, src := Load(Param("steps"), GP64()), Load(Param("src"), GP64())
	row, pair := Load(Param("row"), GP64()), Load(Param("pair"), GP64())
	step := Load(Param("step"), GP64())
	high, part := Load(Param("high"), GP64()), Load(Param("part"), GP64())
	half, mask, lower := ZMM(), ZMM(), ZMM()
	bits := GP64()
	MOVL(U32(0x8000), bits.As32())
	VPBROADCASTD(bits.As32(), half)
	MOVL(U32(0xffff0000), bits.As32())
	VPBROADCASTD(bits.As32(), mask)
	VBROADCASTI32X4(words, lower)
	lowWords := K()
	MOVQ(U64(0x3333333333333333), bits)
	KMOVQ(bits, lowWords)
	from, ahead, to, left := GP64(), GP64(), GP64(), GP64()
	Label(name + "_step")
	MOVQ(src, from)
	LEAQ(Mem{Base: src, Index: step, Scale: 1}, ahead)
	MOVQ(high, to)
	MOVQ(U32(16), left)
	Label(name + "_row")
	PREFETCHT0(Mem{Base: ahead})
	PREFETCHT0(Mem{Base: ahead, Index: pair, Scale: 1})
	x := [2]VecVirtual{ZMM(), ZMM()}
	VMOVUPS(Mem{Base: from}, x[0])
	VMOVUPS(Mem{Base: from, Index: pair, Scale: 1}, x[1])
	for i, dst := range []Mem{{Base: to}, {Base: to, Index: part, Scale: 1}, {Base: to, Index: part, Scale: 2}} {
		r := x
		if i < 2 {
			for j := range x {
				near, rest := ZMM(), ZMM()
				VPADDD(half, x[j], near)
				VPANDD(mask, near, rest)
				VSUBPS(rest, x[j], rest)
				r[j], x[j] = near, rest
			}
		}
		VPSHUFB(lower, r[0], lowWords, r[1])
		VMOVUPS(r[1], dst)
	}
	ADDQ(Imm(64), to)
	ADDQ(row, from)
	ADDQ(row, ahead)
	DECQ(left)
	JNZ(LabelRef(name + "_row"))
	if turned {
		MOVQ(high, to)
		MOVQ(U32(3), left)
		Label(name + "_part")
		turnRows(to)
		ADDQ(part, to)
		DECQ(left)
		JNZ(LabelRef(name + "_part"))
	}
	ADDQ(step, src)
	ADDQ(U32(6144), high)
	DECQ(steps)
	JNZ(LabelRef(name + "_step"))
	VZEROUPPER()
	RET()
}

// turnRows emits the transpose of 16 rows of 16 dwords, in their place.
func turnRows(at Register) {
	var r [16]VecVirtual
	for i := range r {
		r[i] = ZMM()
		VMOVUPS(Mem{Base: at, Disp: 64 * i}, r[i])
	}
	for i, o := range turn16(r) {
		VMOVUPS(o, Mem{Base: at, Disp: 64 * i})
	}
}

// turnHalves emits steps of 16 rows of 32 bfloat16, of which pairs 16 apart become the
// rows of the high part that splitTurned leaves of the same numbers.
func turnHalves() {
	const name = "turnHalves"
	TEXT(name, NOSPLIT, "func(steps int, src *uint16, row int, high *float32)")
	Doc(name + " leaves of 16 rows of 32 bfloat16 a step what splitTurned leaves as their high part.")
	Pragma("noescape")
	table := GLOBL("pairs", RODATA|NOPTR)
	for i := range 16 {
		DATA(4*i, U32((16+i)<<16|i))
	}
	steps, src, row, high := Load(Param("steps"), GP64()), Load(Param("src"), GP64()), Load(Param("row"), GP64()), Load(Param("high"), GP64())
	pairs := ZMM()
	VMOVDQU32(table, pairs)
	from := GP64()
	Label(name + "_step")
	MOVQ(src, from)
	for i := range 16 {
		x := ZMM()
		PREFETCHT0(Mem{Base: from, Disp: 128})
		VPERMW(Mem{Base: from}, pairs, x)
		VMOVDQU32(x, Mem{Base: high, Disp: 64 * i})
		ADDQ(row, from)
	}
	turnRows(high)
	ADDQ(Imm(64), src)
	ADDQ(U32(6144), high)
	DECQ(steps)
	JNZ(LabelRef(name + "_step"))
	VZEROUPPER()
	RET()
}

// upperWords is a table for VPSHUFB: the upper word of each dword becomes the lower.
func upperWords() Mem {
	table := GLOBL("upperWords", RODATA|NOPTR)
	for i := range 4 {
		DATA(4*i, U32(0x80800302+0x0404*i))
	}
	return table
}
