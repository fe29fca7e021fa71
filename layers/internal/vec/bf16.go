package vec

import (
	"math"
	"unsafe"

	"stillhouse/layers/tensor"
)

// BF16 is the upper half of a float32: its sign, its exponent and 7 bits of its
// fraction. Weights rounded to it are half as many bytes to read, with a
// relative error of at most 2⁻⁸; sums stay in float32.
type BF16 uint16

// ToBF16 rounds to the nearest bfloat16, ties to even. A NaN stays one.
func ToBF16(x float32) BF16 {
	bits := math.Float32bits(x)
	if x != x {
		return BF16(bits>>16 | 0x40) // quiet: what tells a NaN may be in the half that goes
	}
	return BF16((bits + 0x7fff + bits>>16&1) >> 16)
}

// Float32 returns the value, exactly.
func (b BF16) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }

// BF16Stride returns how far apart rows of n elements lie for ProductsBF16:
// whole cache lines, so that no load is masked and none crosses a line.
func BF16Stride(n int) int { return (n + 31) &^ 31 }

// Widen sets y[i] = x[i].
func Widen[T tensor.Float](y []T, x []BF16) {
	whole := 0
	if accelerated[T]() {
		whole = len(y) &^ 15 // the assembly has no masked load of 16-bit elements
		widen32(whole, at(y, whole), halves(x, whole))
	}
	for i := whole; i < len(y); i++ {
		y[i] = T(x[i].Float32())
	}
}

// halves is at for bfloat16.
func halves(x []BF16, n int) *uint16 {
	return (*uint16)(unsafe.Pointer(unsafe.SliceData(x[:n:len(x)])))
}

// ProductsBF16 is Products with rows of w BF16Stride(n) apart.
func ProductsBF16[T tensor.Float](y []T, ldy int, x []T, rows int, w []BF16, outs, n int, add bool) {
	ldw := BF16Stride(n)
	checkProducts(len(y), ldy, len(x), rows, len(w), ldw, outs, n)
	var sums products[T]
	for r := 0; r < rows; {
		height := heightOf(rows - r)
		x, y := x[r*n:], y[r*ldy:]
		r += height
		for g := groupsOf[T](height, outs); g.next(); {
			if accelerated[T]() {
				dots16(height, n, halves(w[g.first*ldw:], ldw), g.apart*ldw, at(x, n), at(sums[:], len(sums)))
			} else {
				dotsBF16(&sums, height, x, w[g.first*ldw:], g.apart*ldw, n)
			}
			g.place(y, ldy, height, &sums, add)
		}
	}
}

func dots16(height, n int, w *uint16, ldw int, x, sums *float32) {
	switch height {
	case 1:
		dots1x16(n, w, ldw, x, n, sums)
	case 2:
		dots2x16(n, w, ldw, x, n, sums)
	case 4:
		dots4x16(n, w, ldw, x, n, sums)
	default:
		dots8x16(n, w, ldw, x, n, sums)
	}
}

// dotsBF16 is dots with rows of bfloat16.
func dotsBF16[T tensor.Float](sums *products[T], rows int, x []T, w []BF16, ld, n int) {
	w0, w1, w2, w3 := w[:n], w[ld:][:n], w[2*ld:][:n], w[3*ld:][:n]
	for r := range rows {
		var a, b, c, d T
		for i, v := range x[r*n : (r+1)*n] {
			a += v * T(w0[i].Float32())
			b += v * T(w1[i].Float32())
			c += v * T(w2[i].Float32())
			d += v * T(w3[i].Float32())
		}
		copy(sums[r*together:], []T{a, b, c, d})
	}
}
