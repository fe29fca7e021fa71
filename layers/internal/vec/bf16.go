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
	var sums [together * together]T
	for o := 0; o < outs; {
		first, count, apart := parting(o, outs)
		o += count
		ld := apart * ldw
		for r := 0; r < rows; {
			height := heightOf(rows - r)
			if accelerated[T]() {
				p, q, s := halves(w[first*ldw:], ldw), at(x[r*n:], n), at(sums[:], len(sums))
				switch height {
				case 4:
					dots4x16(n, p, ld, q, n, s)
				case 2:
					dots2x16(n, p, ld, q, n, s)
				default:
					dots1x16(n, p, ld, q, n, s)
				}
			} else {
				dotsBF16(&sums, height, x[r*n:], w[first*ldw:], ld, n)
			}
			place(y[r*ldy+first:], ldy, height, count, apart, &sums, add)
			r += height
		}
	}
}

// dotsBF16 is dots with rows of bfloat16.
func dotsBF16[T tensor.Float](sums *[together * together]T, rows int, x []T, w []BF16, ld, n int) {
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
