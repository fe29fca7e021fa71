package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// signature of every tile: C[rows,w] (+)= A[rows,k]·B[k,w]. Element (i,p) of A
// lies at a + i·rs + p·ks, row p of B at b + p·bs, row i of C at c + i·ldc; the
// strides are in bytes.
const signature = "func(k int, a *float32, rs, ks int, b *float32, bs int, c *float32, ldc, w, acc int, next *float32, apart int)"

// unroll is the number of steps over k in one turn of a tile's loop.
const unroll = 4

// rowPointers returns one pointer for every three rows of A: x86 addresses
// p, p+rs and p+2rs from one base.
func rowPointers(rows int, a, rs Register) []Register {
	ptr := []Register{a}
	for i := 3; i < rows; i += 3 {
		p := GP64()
		LEAQ(Mem{Base: ptr[len(ptr)-1], Index: rs, Scale: 2}, p)
		ADDQ(rs, p)
		ptr = append(ptr, p)
	}
	return ptr
}

// element returns the address of A's row i at the current step.
func element(ptr []Register, rs Register, i int) Mem {
	m := Mem{Base: ptr[i/3]}
	if i%3 > 0 {
		m.Index, m.Scale = rs, uint8(i%3)
	}
	return m
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

// prefetchC returns what asks, once a turn, for one row of C, so that it arrives
// while the sums are made. All rows at once would take every miss buffer of the
// L1, just when the tile's first elements of A and B have to come: spread over
// the loop, products whose C is not in a cache are 3 to 7 % faster. The last
// element has a request of its own, for rows need not start at a line.
func prefetchC(name string, rows, bytes int, c, ldc Register) (turn func()) {
	p, left := GP64(), GP64()
	MOVQ(c, p)
	MOVQ(U32(rows), left)
	return func() {
		SUBQ(Imm(1), left)
		JLT(LabelRef(name + "_asked"))
		for d := 0; d < bytes; d += 64 {
			PREFETCHT0(Mem{Base: p, Disp: d})
		}
		PREFETCHT0(Mem{Base: p, Disp: bytes - 4})
		ADDQ(ldc, p)
		Label(name + "_asked")
	}
}

// prefetchA asks for A eight steps ahead. It is for a transposed A, whose next
// step is on another page as often as not: there no processor looks ahead by
// itself, and a band's first panel would wait for memory at every step. Where
// the steps are neighbours it is one more read of a line that is there.
func prefetchA(rows int, a, ks Register) {
	PREFETCHT0(Mem{Base: a, Index: ks, Scale: 8})
	if rows > 1 {
		PREFETCHT0(Mem{Base: a, Index: ks, Scale: 8, Disp: 4 * (rows - 1)})
	}
}

// prefetchNext asks, once a turn, for one line of what the caller reads after
// this: rows of A that lie apart, where no processor looks ahead by itself. It
// goes to the L2, since what is in use fills the L1.
func prefetchNext(next Register) {
	PREFETCHT1(Mem{Base: next})
	apart, err := Param("apart").Resolve()
	if err != nil {
		panic(err)
	}
	ADDQ(apart.Addr, next)
}

// tile512 emits a tile of rows × 16·vecs for AVX-512. Masks of w bits guard the
// reads of B and everything about C, so w is free and nothing beyond is touched.
func tile512(name string, rows, vecs int) {
	TEXT(name, NOSPLIT, signature)
	Doc(fmt.Sprintf("%s is the %d×w tile, 1 ≤ w ≤ %d.", name, rows, 16*vecs))
	Pragma("noescape")
	k := Load(Param("k"), GP64())
	a := Load(Param("a"), GP64())
	rs := Load(Param("rs"), GP64())
	ks := Load(Param("ks"), GP64())
	b := Load(Param("b"), GP64())
	bs := Load(Param("bs"), GP64())
	c := Load(Param("c"), GP64())
	ldc := Load(Param("ldc"), GP64())

	// valid[j] has the bits of w; add[j] is the same when acc is set, else none.
	w, bits := Load(Param("w"), GP64()), GP64()
	MOVQ(I32(-1), bits)
	BZHIQ(w, bits, bits)
	flag := GP64()
	Load(Param("acc"), flag)
	NEGQ(flag)
	ANDQ(bits, flag)
	valid, add := make([]Register, vecs), make([]Register, vecs)
	for j := range vecs {
		valid[j], add[j] = K(), K()
		KMOVW(bits.As32(), valid[j])
		KMOVW(flag.As32(), add[j])
		if j+1 < vecs {
			SHRQ(Imm(16), bits)
			SHRQ(Imm(16), flag)
		}
	}
	next := Load(Param("next"), GP64())
	askC := prefetchC(name, rows, 64*vecs, c, ldc)
	turn := func() {
		askC()
		prefetchNext(next)
	}

	ptr := rowPointers(rows, a, rs)
	sum := make([][]VecVirtual, rows)
	for i := range sum {
		sum[i] = make([]VecVirtual, vecs)
		for j := range sum[i] {
			sum[i][j] = ZMM()
			VPXORD(sum[i][j], sum[i][j], sum[i][j])
		}
	}
	bv := make([]VecVirtual, vecs)
	for j := range bv {
		bv[j] = ZMM()
	}
	av := []VecVirtual{ZMM(), ZMM()}
	overK(name, k, func() {
		for j := range bv {
			VMOVUPS_Z(Mem{Base: b, Disp: 64 * j}, valid[j], bv[j])
		}
		ADDQ(bs, b)
		for i := range rows {
			m := element(ptr, rs, i)
			if vecs == 1 { // a broadcast inside the FMA costs no register
				VFMADD231PS_BCST(m, bv[0], sum[i][0])
				continue
			}
			x := av[i%len(av)]
			VBROADCASTSS(m, x)
			for j := range bv {
				VFMADD231PS(bv[j], x, sum[i][j])
			}
		}
		prefetchA(rows, a, ks)
		for _, p := range ptr {
			ADDQ(ks, p)
		}
	}, turn)
	for i := range rows {
		for j := range vecs {
			m := Mem{Base: c, Disp: 64 * j}
			VADDPS(m, sum[i][j], add[j], sum[i][j])
			VMOVUPS(sum[i][j], valid[j], m)
		}
		if i+1 < rows {
			ADDQ(ldc, c)
		}
	}
	VZEROUPPER()
	RET()
}

// tile256 emits a tile of rows × 8·vecs for AVX2 with FMA. It reads whole
// vectors of B, so B must be padded when w is less; masks guard C.
func tile256(name string, rows, vecs int) {
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
	askC := prefetchC(name, rows, 32*vecs, c, ldc)
	turn := func() {
		askC()
		prefetchNext(next)
	}

	ptr := rowPointers(rows, a, rs)
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
			VBROADCASTSS(element(ptr, rs, i), x)
			for j := range bv {
				VFMADD231PS(bv[j], x, sum[i][j])
			}
		}
		for _, p := range ptr {
			ADDQ(ks, p)
		}
	}, turn)

	// Four ways out: whole or masked, adding or not.
	w, flag := Load(Param("w"), GP64()), Load(Param("acc"), GP64())
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
