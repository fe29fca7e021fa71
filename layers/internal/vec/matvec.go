package vec

import (
	"fmt"

	"stillhouse/layers/tensor"
)

// Products of few rows with a matrix whose rows are outputs: what decoding does
// all day, as fast as memory gives W. W is read once, whatever the number of
// rows. The order of a sum depends on n and the instruction set alone,
// so that parting the outputs or the rows over calls changes no bit.

// together is how many rows of W the assembly multiplies at a time.
const together = 4

// Products sets y[r·ldy+o] = Σ x[r·n+i]·w[o·n+i] for r < rows and o < outs, or
// adds the sum if add is set. y overlaps neither x nor w.
func Products[T tensor.Float](y []T, ldy int, x []T, rows int, w []T, outs, n int, add bool) {
	checkProducts(len(y), ldy, len(x), rows, len(w), n, outs, n)
	var sums [together * together]T
	for o := 0; o < outs; {
		first, count, apart := parting(o, outs)
		o += count
		ld := apart * n
		for r := 0; r < rows; {
			height := heightOf(rows - r)
			if accelerated[T]() {
				p, q, s := at(w[first*n:], n), at(x[r*n:], n), at(sums[:], len(sums))
				switch height {
				case 4:
					dots4x32(n, p, ld, q, n, s)
				case 2:
					dots2x32(n, p, ld, q, n, s)
				default:
					dots1x32(n, p, ld, q, n, s)
				}
			} else {
				dots(&sums, height, x[r*n:], w[first*n:], ld, n)
			}
			place(y[r*ldy+first:], ldy, height, count, apart, &sums, add)
			r += height
		}
	}
}

// checkProducts panics unless the operands fit their slices: the assembly does
// not look.
func checkProducts(lenY, ldy, lenX, rows, lenW, ldw, outs, n int) {
	if rows < 0 || outs < 0 || n < 0 || ldw < n || rows > 1 && ldy < outs {
		panic(fmt.Sprintf("vec: Products: %d rows of %d times %d outputs, %d and %d apart", rows, n, outs, ldy, ldw))
	}
	if rows > 0 && outs > 0 && (lenY < (rows-1)*ldy+outs || lenX < rows*n || lenW < outs*ldw) {
		panic(fmt.Sprintf("vec: Products: y, x and w are %d, %d and %d elements for %d rows of %d times %d outputs, %d and %d apart",
			lenY, lenX, lenW, rows, n, outs, ldy, ldw))
	}
}

// parting returns the outputs that follow when o of outs are done: count of them
// from first on, so far apart. Four streams a quarter of W from each other, each
// read in order, come out of memory faster than one: processors look ahead by the
// stream. The last few go alone: the same row four times, so that the sums are
// made as everywhere.
func parting(o, outs int) (first, count, apart int) {
	quarter := outs / together
	if o >= quarter*together {
		return o, 1, 0
	}
	return o / together, together, quarter
}

// heightOf returns how many rows of x to take when so many are left.
func heightOf(left int) int {
	switch {
	case left >= 4:
		return 4
	case left >= 2:
		return 2
	}
	return 1
}

// dots sets sums[4r+o] = Σ x[r·n+i]·w[o·ld+i]: the assembly's loop.
func dots[T tensor.Float](sums *[together * together]T, rows int, x, w []T, ld, n int) {
	w0, w1, w2, w3 := w[:n], w[ld:][:n], w[2*ld:][:n], w[3*ld:][:n]
	for r := range rows {
		var a, b, c, d T
		for i, v := range x[r*n : (r+1)*n] {
			a += v * w0[i]
			b += v * w1[i]
			c += v * w2[i]
			d += v * w3[i]
		}
		copy(sums[r*together:], []T{a, b, c, d})
	}
}

// place writes the sums of height rows and count outputs, so far apart, where
// they belong.
func place[T tensor.Float](y []T, ldy, height, count, apart int, sums *[together * together]T, add bool) {
	for r := range height {
		to, from := y[r*ldy:], sums[r*together:]
		for o := range count {
			if add {
				to[o*apart] += from[o]
			} else {
				to[o*apart] = from[o]
			}
		}
	}
}
