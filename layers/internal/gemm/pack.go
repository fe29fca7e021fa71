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

// packBGo packs panels of B as [k,width], columns from w on zero.
func packBGo[T tensor.Float](dst []T, apart int, src []T, ld int, trans bool, panels, k, w, width int) {
	for t := range panels {
		d := dst[t*apart:][:k*width]
		if w < width {
			clear(d)
		}
		if !trans {
			for p := range k {
				copy(d[p*width:], src[p*ld+t*w:][:w])
			}
			continue
		}
		for j := range w {
			for p, v := range src[(t*w+j)*ld:][:k] {
				d[p*width+j] = v
			}
		}
	}
}
