package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// copy512 emits a copy of k rows of w elements into rows of 16·vecs, padded
// with zeros. Rows of dst may lie closer than that: later rows win.
func copy512(name string, vecs int) {
	TEXT(name, NOSPLIT, "func(k int, src *float32, lds int, dst *float32, ldd, w int)")
	Doc(name + " copies k rows of w elements, each padded with zeros; strides in bytes.")
	Pragma("noescape")
	k := Load(Param("k"), GP64())
	src := Load(Param("src"), GP64())
	lds := Load(Param("lds"), GP64())
	dst := Load(Param("dst"), GP64())
	ldd := Load(Param("ldd"), GP64())
	w, bits := Load(Param("w"), GP64()), GP64()
	MOVQ(I32(-1), bits)
	BZHIQ(w, bits, bits)
	valid, v := make([]Register, vecs), make([]VecVirtual, vecs)
	for j := range vecs {
		valid[j], v[j] = K(), ZMM()
		KMOVW(bits.As32(), valid[j])
		SHRQ(Imm(16), bits)
	}
	Label(name + "_loop")
	for j := range vecs {
		PREFETCHT0(Mem{Base: src, Index: lds, Scale: 8, Disp: 64 * j})
	}
	for j := range vecs {
		VMOVUPS_Z(Mem{Base: src, Disp: 64 * j}, valid[j], v[j])
		VMOVUPS(v[j], Mem{Base: dst, Disp: 64 * j})
	}
	ADDQ(lds, src)
	ADDQ(ldd, dst)
	DECQ(k)
	JNZ(LabelRef(name + "_loop"))
	VZEROUPPER()
	RET()
}

// copyRows emits a copy of whole rows. While one is copied the one after the
// next is asked for: rows are as far apart as the operand is wide, where no
// processor looks ahead by itself.
func copyRows() {
	const name = "copyRows"
	TEXT(name, NOSPLIT, "func(rows, n int, src *float32, lds int, dst *float32, ldd int)")
	Doc(name + " copies rows of n elements; strides in bytes.")
	Pragma("noescape")
	rows, n := Load(Param("rows"), GP64()), Load(Param("n"), GP64())
	src, lds := Load(Param("src"), GP64()), Load(Param("lds"), GP64())
	dst, ldd := Load(Param("dst"), GP64()), Load(Param("ldd"), GP64())
	valid := tailMask(n)
	SHLQ(Imm(2), n)
	whole, ahead, at := GP64(), GP64(), GP64()
	MOVQ(n, whole)
	ANDQ(I32(-64), whole)
	from := Mem{Base: src, Index: at, Scale: 1}
	to := Mem{Base: dst, Index: at, Scale: 1}
	v := ZMM()
	Label(name + "_row")
	LEAQ(Mem{Base: src, Index: lds, Scale: 2}, ahead)
	XORQ(at, at)
	CMPQ(at, whole)
	JGE(LabelRef(name + "_tail"))
	Label(name + "_loop")
	PREFETCHT0(Mem{Base: ahead, Index: at, Scale: 1})
	VMOVUPS(from, v)
	VMOVUPS(v, to)
	ADDQ(Imm(64), at)
	CMPQ(at, whole)
	JLT(LabelRef(name + "_loop"))
	Label(name + "_tail")
	VMOVUPS_Z(from, valid, v)
	VMOVUPS(v, valid, to)
	ADDQ(lds, src)
	ADDQ(ldd, dst)
	DECQ(rows)
	JNZ(LabelRef(name + "_row"))
	VZEROUPPER()
	RET()
}

// tailMask returns the bits of n mod 16.
func tailMask(n Register) Register {
	left, bits, valid := GP64(), GP64(), K()
	MOVQ(n, left)
	ANDQ(Imm(15), left)
	MOVQ(I32(-1), bits)
	BZHIQ(left, bits, bits)
	KMOVW(bits.As32(), valid)
	return valid
}

// copyTiles emits a copy of k rows into tiles of so many columns: row p of tile t goes
// to dst + t·apart + 4·height·p. Rows of the operand are read once, in order, however
// many tiles they feed.
func copyTiles(name string, height int) {
	TEXT(name, NOSPLIT, "func(k, tiles int, src *float32, lds int, dst *float32, apart int)")
	Doc(fmt.Sprintf("%s copies k rows into tiles of %d columns, apart bytes from one to the next.", name, height))
	Pragma("noescape")
	k, tiles := Load(Param("k"), GP64()), Load(Param("tiles"), GP64())
	src, lds := Load(Param("src"), GP64()), Load(Param("lds"), GP64())
	dst, apart := Load(Param("dst"), GP64()), Load(Param("apart"), GP64())
	from, to, left := GP64(), GP64(), GP64()
	Label(name + "_row")
	MOVQ(src, from)
	MOVQ(dst, to)
	MOVQ(tiles, left)
	Label(name + "_tile")
	PREFETCHT0(Mem{Base: from, Index: lds, Scale: 4})
	at := 0
	for ; at+8 <= height; at += 8 {
		v := YMM()
		VMOVUPS(Mem{Base: from, Disp: 4 * at}, v)
		VMOVUPS(v, Mem{Base: to, Disp: 4 * at})
	}
	for ; at+4 <= height; at += 4 {
		v := XMM()
		VMOVUPS(Mem{Base: from, Disp: 4 * at}, v)
		VMOVUPS(v, Mem{Base: to, Disp: 4 * at})
	}
	for ; at+2 <= height; at += 2 {
		v := XMM()
		VMOVSD(Mem{Base: from, Disp: 4 * at}, v)
		VMOVSD(v, Mem{Base: to, Disp: 4 * at})
	}
	ADDQ(Imm(uint64(4*height)), from)
	ADDQ(apart, to)
	DECQ(left)
	JNZ(LabelRef(name + "_tile"))
	ADDQ(lds, src)
	ADDQ(Imm(uint64(4*height)), dst)
	DECQ(k)
	JNZ(LabelRef(name + "_row"))
	VZEROUPPER()
	RET()
}

// transpose512 emits dst[j,i] = src[i,j] for i < rows ≤ 16 and j < cols ≤ 16;
// every written row of dst is 16 wide, zero from rows on.
func transpose512() {
	const name = "transpose16"
	TEXT(name, NOSPLIT, "func(src *float32, lds int, dst *float32, ldd, rows, cols int)")
	Doc("transpose16 turns rows×cols, both ≤ 16, into cols rows of 16, padded with zeros; strides in bytes.")
	Pragma("noescape")
	src := Load(Param("src"), GP64())
	lds := Load(Param("lds"), GP64())
	dst := Load(Param("dst"), GP64())
	ldd := Load(Param("ldd"), GP64())
	rows := Load(Param("rows"), GP64())
	cols, bits := Load(Param("cols"), GP64()), GP64()
	MOVQ(I32(-1), bits)
	BZHIQ(cols, bits, bits)
	valid := K()
	KMOVW(bits.As32(), valid)

	var r [16]VecVirtual
	for i := range r {
		r[i] = ZMM()
		VPXORD(r[i], r[i], r[i])
	}
	for i := range r {
		VMOVUPS_Z(Mem{Base: src}, valid, r[i])
		PREFETCHT1(Mem{Base: src, Disp: 128})
		if i+1 < len(r) {
			ADDQ(lds, src)
			DECQ(rows)
			JZ(LabelRef(name + "_turn"))
		}
	}
	Label(name + "_turn")
	o := turn16(r)
	for j := range o {
		VMOVUPS(o[j], Mem{Base: dst})
		if j+1 < len(o) {
			ADDQ(ldd, dst)
			DECQ(cols)
			JZ(LabelRef(name + "_done"))
		}
	}
	Label(name + "_done")
	VZEROUPPER()
	RET()
}

// turn16 emits the transpose of 16 vectors.
func turn16(r [16]VecVirtual) (o [16]VecVirtual) {
	var t, u, v [16]VecVirtual
	for i := 0; i < 16; i += 2 {
		t[i], t[i+1] = ZMM(), ZMM()
		VUNPCKLPS(r[i+1], r[i], t[i])
		VUNPCKHPS(r[i+1], r[i], t[i+1])
	}
	for g := 0; g < 16; g += 4 {
		for j := range 4 {
			u[g+j] = ZMM()
		}
		VUNPCKLPD(t[g+2], t[g], u[g])
		VUNPCKHPD(t[g+2], t[g], u[g+1])
		VUNPCKLPD(t[g+3], t[g+1], u[g+2])
		VUNPCKHPD(t[g+3], t[g+1], u[g+3])
	}
	for h := 0; h < 16; h += 8 {
		for j := range 4 {
			v[h+j], v[h+4+j] = ZMM(), ZMM()
			VSHUFF32X4(Imm(0x88), u[h+4+j], u[h+j], v[h+j])
			VSHUFF32X4(Imm(0xdd), u[h+4+j], u[h+j], v[h+4+j])
		}
	}
	for j := range 8 {
		o[j], o[8+j] = ZMM(), ZMM()
		VSHUFF32X4(Imm(0x88), v[8+j], v[j], o[j])
		VSHUFF32X4(Imm(0xdd), v[8+j], v[j], o[8+j])
	}
	return o
}

// turnTiles emits dst[p,i] = src[i,p] for tiles of six or eight rows, in blocks of
// eight steps. A step is stored as a whole vector: of six, the next one covers the
// last two lanes.
func turnTiles(name string, rows int) {
	TEXT(name, NOSPLIT, "func(k, tiles int, src *float32, lds int, dst *float32, apart, ldd int)")
	Doc(fmt.Sprintf("%s turns tiles of %d×k into k rows of 8, of which the last %d are not set; k is a multiple of 8, apart the bytes from a tile to the next.", name, rows, 8-rows))
	Pragma("noescape")
	src, lds := Load(Param("src"), GP64()), Load(Param("lds"), GP64())
	ldd := Load(Param("ldd"), GP64())
	ldd3 := thrice(ldd)
	to, left := GP64(), GP64()
	Label(name + "_tile")
	ptr := rowPointers(rows, 3, src, lds)
	MOVQ(parameter("dst"), to)
	MOVQ(parameter("k"), left)
	Label(name + "_steps")
	for i := range rows {
		PREFETCHT0(element(ptr, 3, lds, i).Offset(256))
	}
	for half := range 2 { // four steps each
		var r [4]VecVirtual // rows i | 4+i
		for i := range r {
			r[i] = YMM()
			VMOVUPS(element(ptr, 3, lds, i).Offset(16*half), r[i].AsX())
			if 4+i < rows {
				VINSERTF128(Imm(1), element(ptr, 3, lds, 4+i).Offset(16*half), r[i], r[i])
			}
		}
		var t [4]VecVirtual // pairs of rows, at steps 0 1, then 2 3
		for i := 0; i < 4; i += 2 {
			t[i], t[i+1] = YMM(), YMM()
			VUNPCKLPS(r[i+1], r[i], t[i])
			VUNPCKHPS(r[i+1], r[i], t[i+1])
		}
		for p := range 4 {
			o := YMM()
			if p%2 == 0 {
				VUNPCKLPD(t[2+p/2], t[p/2], o)
			} else {
				VUNPCKHPD(t[2+p/2], t[p/2], o)
			}
			VMOVUPS(o, rowAt(to, p, ldd, ldd3))
		}
		LEAQ(Mem{Base: to, Index: ldd, Scale: 4}, to)
	}
	for _, p := range ptr {
		ADDQ(Imm(32), p)
	}
	SUBQ(Imm(8), left)
	JNZ(LabelRef(name + "_steps"))
	k := Load(Param("k"), GP64())
	SHLQ(Imm(2), k)
	SUBQ(k, src) // back to the first step, and on by a tile
	LEAQ(Mem{Base: src, Index: lds, Scale: 4}, src)
	LEAQ(Mem{Base: src, Index: lds, Scale: uint8(rows - 4)}, src)
	ADDQ(Load(Param("apart"), GP64()), parameter("dst"))
	DECQ(parameter("tiles"))
	JNZ(LabelRef(name + "_tile"))
	VZEROUPPER()
	RET()
}

// peak emits n turns of twelve independent FMA chains that touch no memory.
func peak(name string, wide bool) {
	TEXT(name, NOSPLIT, "func(n int)")
	Doc(name + " runs n turns of 12 independent vector FMAs on registers.")
	n := Load(Param("n"), GP64())
	var r [14]VecVirtual
	for i := range r {
		if wide {
			r[i] = ZMM()
			VPXORD(r[i], r[i], r[i])
		} else {
			r[i] = YMM()
			VXORPS(r[i], r[i], r[i])
		}
	}
	Label(name + "_loop")
	for i := range 12 {
		VFMADD231PS(r[12], r[13], r[i])
	}
	DECQ(n)
	JNZ(LabelRef(name + "_loop"))
	VZEROUPPER()
	RET()
}
