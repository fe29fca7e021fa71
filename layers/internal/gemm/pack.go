package gemm

import "stillhouse/layers/tensor"

// packAGo packs A as [k,height], rows beyond those there are zero.
func packAGo[T tensor.Float](dst, src []T, ld int, trans bool, rows, height, k int) (rs, ks int) {
	dst = dst[:k*height]
	if trans {
		for p := range k {
			d := dst[p*height:][:height]
			copy(d, src[p*ld:][:rows])
			clear(d[rows:])
		}
		return 1, height
	}
	if rows < height {
		clear(dst)
	}
	for i := range rows {
		for p, v := range src[i*ld:][:k] {
			dst[p*height+i] = v
		}
	}
	return 1, height
}

// packBGo packs B as [k,width], columns from w on zero.
func packBGo[T tensor.Float](dst, src []T, ld int, trans bool, k, w, width int) {
	dst = dst[:k*width]
	if !trans {
		for p := range k {
			d := dst[p*width:][:width]
			copy(d, src[p*ld:][:w])
			clear(d[w:])
		}
		return
	}
	if w < width {
		clear(dst)
	}
	for j := range w {
		for p, v := range src[j*ld:][:k] {
			dst[p*width+j] = v
		}
	}
}
