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

// copyPanel emits a copy of k rows of 8·vecs elements that lie closer in dst.
func copyPanel(name string, vecs int) {
	TEXT(name, NOSPLIT, "func(k int, src *float32, lds int, dst *float32)")
	Doc(fmt.Sprintf("%s copies k rows of %d elements, lds bytes apart, into one run.", name, 8*vecs))
	Pragma("noescape")
	k, src, lds := Load(Param("k"), GP64()), Load(Param("src"), GP64()), Load(Param("lds"), GP64())
	dst := Load(Param("dst"), GP64())
	v := make([]VecVirtual, vecs)
	Label(name + "_row")
	PREFETCHT0(Mem{Base: src, Index: lds, Scale: 8})
	for j := range v {
		v[j] = YMM()
		VMOVUPS(Mem{Base: src, Disp: 32 * j}, v[j])
		VMOVUPS(v[j], Mem{Base: dst, Disp: 32 * j})
	}
	ADDQ(lds, src)
	ADDQ(Imm(uint64(32*vecs)), dst)
	DECQ(k)
	JNZ(LabelRef(name + "_row"))
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

// copyTiles emits a copy of k rows into tiles of 12 columns, or of 6 without wide
// vectors: row p of tile t goes to dst + t·apart + 4·height·p. Rows of the operand
// are read once, in order, however many tiles they feed.
func copyTiles(name string, wide bool) {
	height := 6
	if wide {
		height = 12
	}
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
	v, u := YMM(), XMM()
	VMOVUPS(Mem{Base: from}, v.AsX())
	VMOVUPS(v.AsX(), Mem{Base: to})
	if wide {
		VMOVUPS(Mem{Base: from, Disp: 16}, v)
		VMOVUPS(v, Mem{Base: to, Disp: 16})
	} else {
		VMOVSD(Mem{Base: from, Disp: 16}, u)
		VMOVSD(u, Mem{Base: to, Disp: 16})
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

	var r, t, u, v, o [16]VecVirtual
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

// transpose256 emits dst[j,i] = src[i,j] for an 8×8 block.
func transpose256() {
	TEXT("transpose8", NOSPLIT, "func(src *float32, lds int, dst *float32, ldd int)")
	Doc("transpose8 turns an 8×8 block; strides in bytes.")
	Pragma("noescape")
	src := Load(Param("src"), GP64())
	lds := Load(Param("lds"), GP64())
	dst := Load(Param("dst"), GP64())
	ldd := Load(Param("ldd"), GP64())
	var r, t, u [8]VecVirtual
	for i := range r {
		r[i] = YMM()
		VMOVUPS(Mem{Base: src}, r[i])
		PREFETCHT1(Mem{Base: src, Disp: 128})
		if i+1 < len(r) {
			ADDQ(lds, src)
		}
	}
	for i := 0; i < 8; i += 2 {
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], t[i])
		VUNPCKHPS(r[i+1], r[i], t[i+1])
	}
	for g := 0; g < 8; g += 4 {
		for j := range 4 {
			u[g+j] = YMM()
		}
		VUNPCKLPD(t[g+2], t[g], u[g])
		VUNPCKHPD(t[g+2], t[g], u[g+1])
		VUNPCKLPD(t[g+3], t[g+1], u[g+2])
		VUNPCKHPD(t[g+3], t[g+1], u[g+3])
	}
	for j := range 8 {
		half := uint64(0x20) // the low 128 bits of both, then the high ones
		if j >= 4 {
			half = 0x31
		}
		o := YMM()
		VPERM2F128(Imm(half), u[4+j%4], u[j%4], o)
		VMOVUPS(o, Mem{Base: dst})
		if j+1 < 8 {
			ADDQ(ldd, dst)
		}
	}
	VZEROUPPER()
	RET()
}

// turnTiles emits dst[p,i] = src[i,p] for tiles of six rows, eight steps at a time:
// each is stored as a whole vector, of which the next one covers the last two lanes.
func turnTiles() {
	const name, height = "turnTiles6", 6
	TEXT(name, NOSPLIT, "func(k, tiles int, src *float32, lds int, dst *float32, apart int)")
	Doc("turnTiles6 turns tiles of 6×k into k×6, k a multiple of 8, apart bytes from one to the next; it writes 2 elements beyond each.")
	Pragma("noescape")
	k, tiles := Load(Param("k"), GP64()), Load(Param("tiles"), GP64())
	src, lds := Load(Param("src"), GP64()), Load(Param("lds"), GP64())
	dst, apart := Load(Param("dst"), GP64()), Load(Param("apart"), GP64())
	bytes, to, left := GP64(), GP64(), GP64()
	SHLQ(Imm(2), k)
	MOVQ(k, bytes)
	Label(name + "_tile")
	ptr := rowPointers(height, 3, src, lds)
	MOVQ(dst, to)
	MOVQ(bytes, left)
	Label(name + "_steps")
	var r, t [height]VecVirtual
	for i := range r {
		m := element(ptr, 3, lds, i)
		r[i] = YMM()
		VMOVUPS(m, r[i])
		PREFETCHT0(m.Offset(256))
	}
	for i := 0; i < height; i += 2 { // pairs of rows; lanes are steps 0 1 | 4 5, then 2 3 | 6 7
		t[i], t[i+1] = YMM(), YMM()
		VUNPCKLPS(r[i+1], r[i], t[i])
		VUNPCKHPS(r[i+1], r[i], t[i+1])
	}
	var four, two [4]VecVirtual // rows 0 to 3, and 4 and 5, of steps j | 4+j
	for j := range four {
		four[j] = YMM()
		if j%2 == 0 {
			two[j] = t[4+j/2]
			VUNPCKLPD(t[2+j/2], t[j/2], four[j])
		} else {
			two[j] = YMM()
			VUNPCKHPD(t[2+j/2], t[j/2], four[j])
			VUNPCKHPD(t[4+j/2], t[4+j/2], two[j])
		}
	}
	for p := range 8 {
		half := uint64(0x20) // the low 128 bits of both, then the high ones
		if p >= 4 {
			half = 0x31
		}
		o := YMM()
		VPERM2F128(Imm(half), two[p%4], four[p%4], o)
		VMOVUPS(o, Mem{Base: to, Disp: 4 * height * p})
	}
	for _, p := range ptr {
		ADDQ(Imm(32), p)
	}
	ADDQ(U32(8*4*height), to)
	SUBQ(Imm(32), left)
	JNZ(LabelRef(name + "_steps"))
	SUBQ(bytes, src) // back to the first step, and on by a tile
	LEAQ(Mem{Base: src, Index: lds, Scale: 4}, src)
	LEAQ(Mem{Base: src, Index: lds, Scale: 2}, src)
	ADDQ(apart, dst)
	DECQ(tiles)
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
