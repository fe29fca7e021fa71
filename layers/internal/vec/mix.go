package vec

import (
	"fmt"

	"stillhouse/layers/tensor"
)

// mixFunc is the assembly for so many rows and columns.
type mixFunc func(n int, a *float32, lda int, x *float32, ldx int, y *float32, ldy int)

// mixRows is how many rows the assembly takes at a time, mixes holds it by rows, from the
// widest columns to the narrowest.
const mixRows = 4

var mixes = [...]struct {
	width int
	of    [mixRows]mixFunc
}{
	{64, [...]mixFunc{mix1x64, mix2x64, mix3x64, mix4x64}},
	{32, [...]mixFunc{mix1x32, mix2x32, mix3x32, mix4x32}},
	{16, [...]mixFunc{mix1x16, mix2x16, mix3x16, mix4x16}},
}

// Mix sets y[r·ldy+j] = Σ_i a[r·lda+i]·x[i·ldx+j] for r < rows and j < width, with
// i < n in order: what attention does with its cache, where x is read once, as it
// lies, for up to four rows. y overlaps neither a nor x.
func Mix[T tensor.Float](y []T, ldy int, a []T, lda, rows int, x []T, ldx, n, width int) {
	if rows == 0 || width == 0 {
		return
	}
	if n < 0 || rows < 0 || len(y) < (rows-1)*ldy+width || n > 0 && (len(a) < (rows-1)*lda+n || len(x) < (n-1)*ldx+width) {
		panic(fmt.Sprintf("vec: Mix: y, a and x are %d, %d and %d elements for [%d,%d]·[%d,%d], rows %d, %d and %d apart",
			len(y), len(a), len(x), rows, n, n, width, ldy, lda, ldx))
	}
	whole := 0 // columns done
	for k := 0; k < len(mixes) && accelerated[T]() && n > 0; k++ {
		m := &mixes[k]
		for ; width-whole >= m.width; whole += m.width {
			for r := 0; r < rows; r += mixRows {
				m.of[min(rows-r, mixRows)-1](n, at(a[r*lda:], n), lda, at(x[whole:], m.width), ldx, at(y[r*ldy+whole:], m.width), ldy)
			}
		}
	}
	for r := 0; r < rows && whole < width; r++ {
		to := y[r*ldy+whole : r*ldy+width]
		clear(to)
		for i := range n {
			Axpy(to, a[r*lda+i], x[i*ldx+whole:i*ldx+width])
		}
	}
}
