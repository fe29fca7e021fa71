package vec

import (
	"fmt"

	"stillhouse/layers/tensor"
)

// mixWidth is the columns that the assembly sums at a time, mixRows the rows.
const mixWidth, mixRows = 64, 4

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
	whole := 0
	if accelerated[T]() && n > 0 {
		whole = width / mixWidth * mixWidth
	}
	for r := 0; r < rows && whole > 0; r += mixRows {
		for j := 0; j < whole; j += mixWidth {
			p, q, s := at(a[r*lda:], n), at(x[j:], mixWidth), at(y[r*ldy+j:], mixWidth)
			switch rows - r {
			case 1:
				mix1x32(n, p, lda, q, ldx, s, ldy)
			case 2:
				mix2x32(n, p, lda, q, ldx, s, ldy)
			case 3:
				mix3x32(n, p, lda, q, ldx, s, ldy)
			default:
				mix4x32(n, p, lda, q, ldx, s, ldy)
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
