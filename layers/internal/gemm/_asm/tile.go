package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// signature of every tile: C[rows,w] (+)= A[rows,k]·B[k,w], for so many tiles one
// below the other. Element (i,p) of A lies at a + i·rs + p·ks, the next tile's first
// one at a + along, row p of B at b + p·bs, row i of C at c + i·ldc; the strides are
// in bytes. Bit 0 of mode adds to C; bit 1, which AVX-512 asks for, says that rows of
// B may be read to the end of the panel.
const signature = "func(tiles, k int, a *float32, rs, ks, along int, b *float32, bs int, c *float32, ldc, w, mode int, next *float32, apart int)"

// unroll is the number of steps over k in one turn of a tile's loop.
const unroll = 4

// eachTile emits the loop over tiles. one is a tile: it loads a, b and c and returns,
// on every way out of store, what points at its last row of C, whose rows are ldc
// apart. A call for each tile would cost 2 % of its time.
func eachTile(name string, ldc Op, one func() (lastRow Register)) {
	Label(name + "_tile")
	c := one()
	Label(name + "_next")
	ADDQ(ldc, c)
	MOVQ(c, parameter("c"))
	ADDQ(Load(Param("along"), GP64()), parameter("a"))
	DECQ(parameter("tiles"))
	JNZ(LabelRef(name + "_tile"))
	VZEROUPPER()
	RET()
}

// overK emits the loop over k of a tile, unroll steps a turn, and what is left of them.
// step is on row p of B from b, turn is done once in every turn, and forward moves A's
// pointers by so many steps.
func overK(tile, loop string, b, bs Register, step func(p int), turn func(loop string), forward func(steps int)) {
	name := tile + "_" + loop
	turns := Load(Param("k"), GP64())
	SHRQ(Imm(2), turns)
	JZ(LabelRef(name + "_rest"))
	Label(name + "_loop")
	for p := range unroll {
		step(p)
		if p == 0 {
			turn(name)
		}
	}
	forward(unroll)
	LEAQ(Mem{Base: b, Index: bs, Scale: 4}, b)
	DECQ(turns)
	JNZ(LabelRef(name + "_loop"))
	Label(name + "_rest")
	k := Load(Param("k"), GP64())
	ANDQ(Imm(unroll-1), k)
	JZ(LabelRef(tile + "_store"))
	Label(name + "_one")
	step(0)
	forward(1)
	ADDQ(bs, b)
	DECQ(k)
	JNZ(LabelRef(name + "_one"))
}

// rowPointers returns a pointer for every so many rows of A, at most three: x86
// addresses p, p+rs and p+2rs from one base.
func rowPointers(rows, each int, a, rs Register) []Register {
	ptr := []Register{a}
	for i := each; i < rows; i += each {
		p := GP64()
		LEAQ(Mem{Base: ptr[len(ptr)-1], Index: rs, Scale: uint8(each &^ 1)}, p)
		if each == 3 {
			ADDQ(rs, p)
		}
		ptr = append(ptr, p)
	}
	return ptr
}

// element returns the address of A's row i at the current step.
func element(ptr []Register, each int, rs Register, i int) Mem {
	m := Mem{Base: ptr[i/each]}
	if i%each > 0 {
		m.Index, m.Scale = rs, uint8(i%each)
	}
	return m
}

// rowAt returns the address of row p of a matrix, p < unroll; stride3 is three times its stride.
func rowAt(base Register, p int, stride, stride3 Register) Mem {
	m := Mem{Base: base}
	switch p {
	case 1, 2:
		m.Index, m.Scale = stride, uint8(p)
	case 3:
		m.Index, m.Scale = stride3, 1
	}
	return m
}

// thrice returns 3·x.
func thrice(x Register) Register {
	y := GP64()
	LEAQ(Mem{Base: x, Index: x, Scale: 2}, y)
	return y
}

// prefetchC asks, once a turn, for one row of C, so that it arrives while the sums
// are made. All rows at once would take every miss buffer of the L1, just when the
// tile's first elements of A and B have to come: spread over the loop, products
// whose C is not in a cache are 3 to 7 % faster. The last element has a request of
// its own, for rows need not start at a line.
func prefetchC(loop string, bytes int, c, left Register, ldc Op) {
	SUBQ(Imm(1), left)
	JLT(LabelRef(loop + "_asked"))
	for d := 0; d < bytes; d += 64 {
		PREFETCHT0(Mem{Base: c, Disp: d})
	}
	PREFETCHT0(Mem{Base: c, Disp: bytes - 4})
	ADDQ(ldc, c)
	Label(loop + "_asked")
}

// prefetchNext asks, once a turn, for one line of what the caller reads after
// this: rows of A that lie apart, where no processor looks ahead by itself. It
// goes to the L2, since what is in use fills the L1.
func prefetchNext(next Register, apart Op) {
	PREFETCHT1(Mem{Base: next})
	ADDQ(apart, next)
}

// parameter returns where an argument lies, for what has no register to spare.
func parameter(name string) Mem {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}
