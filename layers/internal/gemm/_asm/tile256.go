package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tile256 is a tile of rows × 8·vecs for AVX2 with FMA, as it is emitted: the
// loops of tile512 with sixteen registers, of which twelve are sums.
type tile256 struct {
	name       string
	rows, vecs int

	a, b, bs, bs3, next, apart Register
	c, ldc, left               Register // what prefetchC has asked for
	sum                        [][]VecVirtual
	bv, av                     []VecVirtual
}

// emit256 emits the tile. It reads whole vectors of B, so B must be padded when w
// is less; masks guard C.
func emit256(name string, rows, vecs int) {
	TEXT(name, NOSPLIT, signature)
	Doc(fmt.Sprintf("%s is the %d×w tile, 1 ≤ w ≤ %d; rows of B hold %d readable elements.", name, rows, 8*vecs, 8*vecs))
	Pragma("noescape")
	t := &tile256{name: name, rows: rows, vecs: vecs}
	t.bs = Load(Param("bs"), GP64())
	t.bs3 = thrice(t.bs)
	t.next, t.apart = Load(Param("next"), GP64()), Load(Param("apart"), GP64())
	t.ldc, t.left = Load(Param("ldc"), GP64()), GP64()
	t.sum = make([][]VecVirtual, rows)
	for i := range t.sum {
		for range vecs {
			t.sum[i] = append(t.sum[i], YMM())
		}
	}
	for range vecs {
		t.bv = append(t.bv, YMM())
	}
	t.av = []VecVirtual{YMM(), YMM()}
	eachTile(name, t.ldc, t.tile)
}

// tile is one of them.
func (t *tile256) tile() (lastRow Register) {
	t.a, t.b = Load(Param("a"), GP64()), Load(Param("b"), GP64())
	t.c = Load(Param("c"), GP64())
	MOVQ(U32(t.rows), t.left)
	for _, row := range t.sum {
		for _, x := range row {
			VXORPS(x, x, x)
		}
	}
	rs := Load(Param("rs"), GP64())
	CMPQ(rs, Imm(4))
	JE(LabelRef(t.name + "_neighbours"))
	t.rowsApart(rs)
	JMP(LabelRef(t.name + "_store"))
	Label(t.name + "_neighbours")
	t.rowsNeighbours()
	Label(t.name + "_store")
	return t.store()
}

// rowsApart is for an A stored [m,k].
func (t *tile256) rowsApart(rs Register) {
	ptr := rowPointers(t.rows, 3, t.a, rs)
	step := func(p int) {
		t.step(p, func(i int) Mem { return element(ptr, 3, rs, i).Offset(4 * p) })
	}
	forward := func(steps int) {
		for _, p := range ptr {
			ADDQ(Imm(uint64(4*steps)), p)
		}
	}
	t.overK("apart", step, forward)
}

// rowsNeighbours is for an A stored [k,m], or packed that way.
func (t *tile256) rowsNeighbours() {
	ks := Load(Param("ks"), GP64())
	ks3 := thrice(ks)
	step := func(p int) {
		t.step(p, func(i int) Mem { return rowAt(t.a, p, ks, ks3).Offset(4 * i) })
	}
	forward := func(steps int) {
		if steps == 1 {
			ADDQ(ks, t.a)
			return
		}
		LEAQ(Mem{Base: t.a, Index: ks, Scale: uint8(steps)}, t.a)
	}
	t.overK("neighbours", step, forward)
}

// step adds row p of B from here, times A's elements, to the sums.
func (t *tile256) step(p int, a func(i int) Mem) {
	m := rowAt(t.b, p, t.bs, t.bs3)
	for j := range t.bv {
		VMOVUPS(m.Offset(32*j), t.bv[j])
	}
	for i := range t.rows {
		x := t.av[i%len(t.av)]
		VBROADCASTSS(a(i), x)
		for j := range t.bv {
			VFMADD231PS(t.bv[j], x, t.sum[i][j])
		}
	}
}

// overK emits the loop over k with one of the ways to read A.
func (t *tile256) overK(loop string, step func(p int), forward func(steps int)) {
	ask := func(loop string) {
		prefetchC(loop, 32*t.vecs, t.c, t.left, t.ldc)
		prefetchNext(t.next, t.apart)
	}
	overK(t.name, loop, t.b, t.bs, step, ask, forward)
}

// store writes the sums to C, or adds them to it, whole or masked.
func (t *tile256) store() (lastRow Register) {
	c := Load(Param("c"), GP64())
	w, flag := Load(Param("w"), GP64()), Load(Param("mode"), GP64())
	emit := func(masked, adds bool) {
		for i := range t.rows {
			for j := range t.vecs {
				m := Mem{Base: c, Disp: 32 * j}
				switch {
				case masked && adds:
					VMASKMOVPS(m, t.bv[j], t.av[0])
					VADDPS(t.av[0], t.sum[i][j], t.sum[i][j])
				case adds:
					VADDPS(m, t.sum[i][j], t.sum[i][j])
				}
				if masked {
					VMASKMOVPS(t.sum[i][j], t.bv[j], m)
				} else {
					VMOVUPS(t.sum[i][j], m)
				}
			}
			if i+1 < t.rows {
				ADDQ(t.ldc, c)
			}
		}
	}
	out := LabelRef(t.name + "_next")
	CMPQ(w, Imm(uint64(8*t.vecs)))
	JNE(LabelRef(t.name + "_masked"))
	TESTQ(U32(1), flag)
	JNZ(LabelRef(t.name + "_add"))
	emit(false, false)
	JMP(out)
	Label(t.name + "_add")
	emit(false, true)
	JMP(out)
	Label(t.name + "_masked")
	maskTable := GP64()
	LEAQ(edge, maskTable)
	NEGQ(w)
	for j := range t.bv { // the table is 16 ones, then 16 zeros; w bits start 16-w back
		VMOVUPS(Mem{Base: maskTable, Index: w, Scale: 4, Disp: 64 + 32*j}, t.bv[j])
	}
	TESTQ(U32(1), flag)
	JNZ(LabelRef(t.name + "_maskedadd"))
	emit(true, false)
	JMP(out)
	Label(t.name + "_maskedadd")
	emit(true, true)
	return c
}

// edge is 16 lanes of ones and 16 of zeros, from which a mask of any width up
// to 16 is one unaligned read.
var edge Mem

func edgeTable() {
	edge = GLOBL("edge", RODATA|NOPTR)
	for i := range 32 {
		v := U32(0xffffffff)
		if i >= 16 {
			v = 0
		}
		DATA(4*i, v)
	}
}
