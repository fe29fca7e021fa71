package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tile512 is a tile of rows × 16·vecs for AVX-512, as it is emitted.
//
// A core that shares its decoders with a busy neighbour issues three instructions
// a cycle, and two of them should be multiply-adds. So the loops do without what
// they can: addresses are offsets from few pointers, B is read unmasked, and some
// elements of A are broadcast by the multiply-add itself, which is one instruction
// less and one read more.
type tile512 struct {
	name       string
	rows, vecs int

	a, rs, b, bs, next Register
	c, left            Register // what prefetchC has asked for
	sum                [][]VecVirtual
	bv, av             []VecVirtual
	valid, add         []Register // masks of C's columns
}

// emit512 emits the tile. There are three loops over k: for an A whose rows are
// apart and its steps neighbours, for one whose rows are neighbours, and one in
// which masks of w bits guard the reads of B. Masks guard everything about C, so
// w is free and nothing beyond is touched.
func emit512(name string, rows, vecs int) {
	TEXT(name, NOSPLIT, signature)
	Doc(fmt.Sprintf("%s is the %d×w tile, 1 ≤ w ≤ %d.", name, rows, 16*vecs))
	Pragma("noescape")
	t := &tile512{name: name, rows: rows, vecs: vecs}
	t.rs = Load(Param("rs"), GP64())
	t.bs = Load(Param("bs"), GP64())
	t.next, t.left = Load(Param("next"), GP64()), GP64()
	t.valid = masks(vecs, func(Register) {})
	t.add = masks(vecs, func(bits Register) { // none unless mode says so
		adds := Load(Param("mode"), GP64())
		ANDQ(Imm(1), adds)
		NEGQ(adds)
		ANDQ(adds, bits)
	})
	t.sum = make([][]VecVirtual, rows)
	for i := range t.sum {
		for range vecs {
			t.sum[i] = append(t.sum[i], ZMM())
		}
	}
	for range vecs {
		t.bv = append(t.bv, ZMM())
	}
	t.av = []VecVirtual{ZMM(), ZMM()}
	eachTile(name, parameter("ldc"), t.tile)
}

// tile is one of them.
func (t *tile512) tile() (lastRow Register) {
	t.a, t.b = Load(Param("a"), GP64()), Load(Param("b"), GP64())
	t.c = Load(Param("c"), GP64())
	MOVQ(U32(t.rows), t.left)
	for _, row := range t.sum {
		for _, x := range row {
			VPXORD(x, x, x)
		}
	}
	mode := Load(Param("mode"), GP64())
	TESTQ(U32(2), mode)
	JZ(LabelRef(t.name + "_guarded"))
	CMPQ(t.rs, Imm(4))
	JE(LabelRef(t.name + "_neighbours"))
	t.rowsApart()
	JMP(LabelRef(t.name + "_store"))
	Label(t.name + "_neighbours")
	t.rowsNeighbours()
	JMP(LabelRef(t.name + "_store"))
	Label(t.name + "_guarded")
	t.guarded()
	Label(t.name + "_store")
	return t.store()
}

// rowsApart is for an A stored [m,k].
func (t *tile512) rowsApart() {
	ptr := rowPointers(t.rows, 2, t.a, t.rs)
	bs3 := thrice(t.bs)
	step := func(p int) {
		t.readB(p, bs3)
		for i := range t.rows {
			t.multiply(i, element(ptr, 2, t.rs, i).Offset(4*p), i%2 == 0)
		}
	}
	forward := func(steps int) {
		for _, p := range ptr {
			ADDQ(Imm(uint64(4*steps)), p)
		}
	}
	t.overK("apart", step, forward)
}

// rowsNeighbours is for an A stored [k,m], or packed that way.
func (t *tile512) rowsNeighbours() {
	ks := Load(Param("ks"), GP64())
	bs3, ahead := thrice(t.bs), GP64()
	MOVQ(ks, ahead)
	TESTQ(U32(4095), ks)
	JZ(LabelRef(t.name + "_near"))
	SHLQ(Imm(2), ahead)
	Label(t.name + "_near")
	step := func(p int) {
		t.readB(p, bs3)
		for i := range t.rows {
			t.multiply(i, Mem{Base: t.a, Disp: 4 * i}, i%2 == 0)
		}
		t.prefetchA(ahead)
		ADDQ(ks, t.a)
	}
	t.overK("neighbours", step, func(int) {})
}

// prefetchA asks for A eight times ahead, 32 steps, as long as an L3 takes to answer;
// eight steps where all fall into one set of the L1, which holds few. The next step is
// on another page as often as not: there no processor looks ahead by itself, and a
// band's first panel would wait at every step.
func (t *tile512) prefetchA(ahead Register) {
	PREFETCHT0(Mem{Base: t.a, Index: ahead, Scale: 8})
	if t.rows > 1 {
		PREFETCHT0(Mem{Base: t.a, Index: ahead, Scale: 8, Disp: 4 * (t.rows - 1)})
	}
}

// readB reads row p of B from here.
func (t *tile512) readB(p int, bs3 Register) {
	m := rowAt(t.b, p, t.bs, bs3)
	for j := range t.bv {
		VMOVUPS(m.Offset(64*j), t.bv[j])
	}
}

// multiply adds row i of A, times B, to its sums. The multiply-add broadcasts by
// itself if within: from an address without an index it is one instruction.
func (t *tile512) multiply(i int, m Mem, within bool) {
	if within || t.vecs == 1 {
		for j := range t.bv {
			VFMADD231PS_BCST(m, t.bv[j], t.sum[i][j])
		}
		return
	}
	x := t.av[i%len(t.av)]
	VBROADCASTSS(m, x)
	for j := range t.bv {
		VFMADD231PS(t.bv[j], x, t.sum[i][j])
	}
}

// overK emits the loop over k with one of the ways to read A.
func (t *tile512) overK(loop string, step func(p int), forward func(steps int)) {
	ask := func(loop string) {
		prefetchC(loop, 64*t.vecs, t.c, t.left, parameter("ldc"))
		prefetchNext(t.next, parameter("apart"))
	}
	overK(t.name, loop, t.b, t.bs, step, ask, forward)
}

// guarded is for a B that must not be read beyond w columns.
func (t *tile512) guarded() {
	k, ks := Load(Param("k"), GP64()), Load(Param("ks"), GP64())
	ptr := rowPointers(t.rows, 3, t.a, t.rs)
	Label(t.name + "_step")
	for j := range t.bv {
		VMOVUPS_Z(Mem{Base: t.b, Disp: 64 * j}, t.valid[j], t.bv[j])
	}
	ADDQ(t.bs, t.b)
	for i := range t.rows {
		t.multiply(i, element(ptr, 3, t.rs, i), false)
	}
	for _, p := range ptr {
		ADDQ(ks, p)
	}
	DECQ(k)
	JNZ(LabelRef(t.name + "_step"))
}

// store writes the sums to C, or adds them to it.
func (t *tile512) store() (lastRow Register) {
	c, ldc := Load(Param("c"), GP64()), Load(Param("ldc"), GP64())
	for i := range t.rows {
		for j := range t.vecs {
			m := Mem{Base: c, Disp: 64 * j}
			VADDPS(m, t.sum[i][j], t.add[j], t.sum[i][j])
			VMOVUPS(t.sum[i][j], t.valid[j], m)
		}
		if i+1 < t.rows {
			ADDQ(ldc, c)
		}
	}
	return c
}

// masks returns w bits, sixteen to a mask, as change leaves them.
func masks(vecs int, change func(bits Register)) []Register {
	w, bits := Load(Param("w"), GP64()), GP64()
	MOVQ(I32(-1), bits)
	BZHIQ(w, bits, bits)
	change(bits)
	all := make([]Register, vecs)
	for j := range all {
		all[j] = K()
		KMOVW(bits.As32(), all[j])
		if j+1 < vecs {
			SHRQ(Imm(16), bits)
		}
	}
	return all
}
