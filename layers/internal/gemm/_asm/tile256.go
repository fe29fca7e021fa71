package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// emit256 emits a tile of rows × 8·vecs for AVX2 with FMA. It reads whole
// vectors of B, so B must be padded when w is less; masks guard C.
func emit256(name string, rows, vecs int) {
	TEXT(name, NOSPLIT, signature)
	Doc(fmt.Sprintf("%s is the %d×w tile, 1 ≤ w ≤ %d; rows of B hold %d readable elements.", name, rows, 8*vecs, 8*vecs))
	Pragma("noescape")
	k := Load(Param("k"), GP64())
	a := Load(Param("a"), GP64())
	rs := Load(Param("rs"), GP64())
	ks := Load(Param("ks"), GP64())
	b := Load(Param("b"), GP64())
	bs := Load(Param("bs"), GP64())
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())
	next := Load(Param("next"), GP64())
	atC, left := GP64(), GP64()
	MOVQ(c, atC)
	MOVQ(U32(rows), left)
	turn := func() {
		prefetchC(name, 32*vecs, atC, left)
		prefetchNext(next)
	}

	ptr := rowPointers(rows, 3, a, rs)
	sum := make([][]VecVirtual, rows)
	for i := range sum {
		sum[i] = make([]VecVirtual, vecs)
		for j := range sum[i] {
			sum[i][j] = YMM()
			VXORPS(sum[i][j], sum[i][j], sum[i][j])
		}
	}
	bv := make([]VecVirtual, vecs)
	for j := range bv {
		bv[j] = YMM()
	}
	av := []VecVirtual{YMM(), YMM()}
	overK(name, k, func() {
		for j := range bv {
			VMOVUPS(Mem{Base: b, Disp: 32 * j}, bv[j])
		}
		ADDQ(bs, b)
		for i := range rows {
			x := av[i%len(av)]
			VBROADCASTSS(element(ptr, 3, rs, i), x)
			for j := range bv {
				VFMADD231PS(bv[j], x, sum[i][j])
			}
		}
		for _, p := range ptr {
			ADDQ(ks, p)
		}
	}, turn)

	// Four ways out: whole or masked, adding or not.
	w, flag := Load(Param("w"), GP64()), Load(Param("mode"), GP64())
	emit := func(masked, adds bool) {
		for i := range rows {
			for j := range vecs {
				m := Mem{Base: c, Disp: 32 * j}
				switch {
				case masked && adds:
					VMASKMOVPS(m, bv[j], av[0])
					VADDPS(av[0], sum[i][j], sum[i][j])
				case adds:
					VADDPS(m, sum[i][j], sum[i][j])
				}
				if masked {
					VMASKMOVPS(sum[i][j], bv[j], m)
				} else {
					VMOVUPS(sum[i][j], m)
				}
			}
			if i+1 < rows {
				ADDQ(ldc, c)
			}
		}
		VZEROUPPER()
		RET()
	}
	CMPQ(w, Imm(uint64(8*vecs)))
	JNE(LabelRef(name + "_masked"))
	TESTQ(flag, flag)
	JNZ(LabelRef(name + "_add"))
	emit(false, false)
	Label(name + "_add")
	emit(false, true)
	Label(name + "_masked")
	maskTable := GP64()
	LEAQ(edge, maskTable)
	NEGQ(w)
	for j := range bv { // the table is 16 ones, then 16 zeros; w bits start 16-w back
		VMOVUPS(Mem{Base: maskTable, Index: w, Scale: 4, Disp: 64 + 32*j}, bv[j])
	}
	TESTQ(flag, flag)
	JNZ(LabelRef(name + "_maskedadd"))
	emit(true, false)
	Label(name + "_maskedadd")
	emit(true, true)
}

// overK emits step unrolled over k, with turn once in every turn of the loop,
// then step once more for each of the k mod unroll steps left. k must not be
// zero.
func overK(name string, k Register, step, turn func()) {
	count := GP64()
	MOVQ(k, count)
	SHRQ(Imm(2), count)
	JZ(LabelRef(name + "_rest"))
	Label(name + "_loop")
	step()
	turn()
	for range unroll - 1 {
		step()
	}
	DECQ(count)
	JNZ(LabelRef(name + "_loop"))
	Label(name + "_rest")
	ANDQ(Imm(unroll-1), k)
	JZ(LabelRef(name + "_store"))
	Label(name + "_one")
	step()
	DECQ(k)
	JNZ(LabelRef(name + "_one"))
	Label(name + "_store")
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
