package vec

import (
	"fmt"
	"math/bits"

	"stillhouse/layers/tensor"
)

// Products of few rows with a matrix whose rows are outputs: what decoding does
// all day, as fast as memory gives W. W is read once for eight rows, or for the
// largest power of two that is left. The order of a sum depends on n and the
// instruction set alone, so that parting the outputs or the rows over calls changes
// no bit.

// heights is up to how many rows of x are multiplied at a time: a power of two.
const heights = 8

// outputs is how many rows of W the assembly multiplies by so many rows of x at a
// time, and together how many the portable loop does. Each row of W is a stream
// that is read in order, and so many far from each other come out of memory
// faster than one: processors look ahead by the stream.
var outputs = [heights + 1]int{1: 8, 2: 8, 4: 6, 8: 3}

const together = 4

// products are the sums of one group of outputs, those of a row of x side by side.
type products[T tensor.Float] [heights * together]T

// Products sets y[r·ldy+o] = Σ x[r·n+i]·w[o·n+i] for r < rows and o < outs, or
// adds the sum if add is set. y overlaps neither x nor w.
func Products[T tensor.Float](y []T, ldy int, x []T, rows int, w []T, outs, n int, add bool) {
	checkProducts(len(y), ldy, len(x), rows, len(w), n, outs, n)
	var sums products[T]
	for r := 0; r < rows; {
		height := heightOf(rows - r)
		x, y := x[r*n:], y[r*ldy:]
		r += height
		for g := groupsOf[T](height, outs); g.next(); {
			if accelerated[T]() {
				dots32(height, n, at(w[g.first*n:], n), g.apart*n, at(x, n), at(sums[:], len(sums)))
			} else {
				dots(&sums, height, x, w[g.first*n:], g.apart*n, n)
			}
			g.place(y, ldy, height, &sums, add)
		}
	}
}

func dots32(height, n int, w *float32, ldw int, x, sums *float32) {
	switch height {
	case 1:
		dots1x32(n, w, ldw, x, n, sums)
	case 2:
		dots2x32(n, w, ldw, x, n, sums)
	case 4:
		dots4x32(n, w, ldw, x, n, sums)
	default:
		dots8x32(n, w, ldw, x, n, sums)
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

// heightOf returns how many rows of x to take when so many are left: W is read
// once for all of them.
func heightOf(left int) int {
	return min(heights, 1<<(bits.Len(uint(left))-1))
}

// group is the outputs whose sums are made together: size of them from first on,
// so far apart, of which those from skip on are wanted.
type group[T tensor.Float] struct {
	outs, size         int
	first, apart, skip int
}

// groupsOf begins before the first group of outs for so many rows of x.
func groupsOf[T tensor.Float](height, outs int) group[T] {
	g := group[T]{outs: outs, size: together, first: -1}
	if accelerated[T]() {
		g.size = outputs[height]
	}
	g.apart = outs / g.size
	return g
}

// next goes on and reports whether outputs were left. The last few go with
// neighbours that are done; where there are not enough of those, alone: the same
// row again and again, so that the sums are made as everywhere.
func (g *group[T]) next() bool {
	g.first++
	if g.first < g.outs/g.size {
		return true
	}
	done := g.outs / g.size * g.size
	if done > 0 {
		if done == g.outs || g.skip > 0 {
			return false
		}
		g.first, g.apart, g.skip = g.outs-g.size, 1, g.size-(g.outs-done)
		return true
	}
	g.apart, g.skip = 0, g.size-1
	return g.first < g.outs
}

// place writes the sums of height rows where they belong.
func (g *group[T]) place(y []T, ldy, height int, sums *products[T], add bool) {
	for r := range height {
		from := sums[r*g.size:][:g.size]
		to := y[r*ldy+g.first:]
		for o := g.skip; o < len(from); o++ {
			if add {
				to[o*g.apart] += from[o]
			} else {
				to[o*g.apart] = from[o]
			}
		}
	}
}

// dots sets sums[4r+o] = Σ x[r·n+i]·w[o·ld+i]: the assembly's loop, for four
// outputs.
func dots[T tensor.Float](sums *products[T], rows int, x, w []T, ld, n int) {
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
