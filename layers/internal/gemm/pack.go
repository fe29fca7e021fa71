package gemm

import "stillhouse/layers/tensor"

// packAGo packs A as [k,height] a tile, rows beyond those there are zero.
func packAGo[T tensor.Float](dst []T, apart int, src []T, ld int, trans bool, tiles, rows, height, k int) (rs, ks int) {
	for t := range tiles {
		d := dst[t*apart:][:k*height]
		if rows < height {
			clear(d)
		}
		if trans {
			for p := range k {
				copy(d[p*height:], src[p*ld+t*rows:][:rows])
			}
			continue
		}
		for i := range rows {
			for p, v := range src[(t*rows+i)*ld:][:k] {
				d[p*height+i] = v
			}
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
