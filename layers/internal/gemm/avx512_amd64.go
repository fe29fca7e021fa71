//go:build amd64 && !purego

package gemm

// avx512 is the path of 12×32 tiles: 24 sums in 32 registers. Masks take care
// of every width.
func avx512() *isa[float32] {
	return &isa[float32]{
		name:    "avx512",
		heights: []int{12, 8, 4, 2, 1},
		width:   32,
		depth:   depthMax,
		steps:   8,
		rows:    rowsMax,
		slack:   slack,
		band:    depthMax * rowsMax,
		readsB:  true,
		roomy:   ways() >= 12,
		strip: stripOf(16,
			[]tileFunc{12: tile12x32, 8: tile8x32, 4: tile4x32, 2: tile2x32, 1: tile1x32},
			[]tileFunc{12: tile12x16, 8: tile8x16, 4: tile4x16, 2: tile2x16, 1: tile1x16}),
		packA: packAAVX512,
		packB: packBAVX512,
		fma: func(turns int) float64 {
			peakAVX512(turns)
			return float64(turns) * 12 * 16 * 2
		},
	}
}

// packAAVX512 leaves rows as they are, closer together, and turns [k,rows] into
// one run a tile. The copies end up to slack beyond a tile.
func packAAVX512(dst []float32, apart int, src []float32, ld int, trans bool, tiles, rows, height, k int) (rs, ks int) {
	if !trans {
		if rs = k + 16; rs%sameSets == 0 {
			rs += 16
		}
		_ = dst[(tiles-1)*apart+(rows-1)*rs+k-1]
		for t := range tiles {
			copyRows(rows, k, &src[t*rows*ld], 4*ld, &dst[t*apart], 4*rs)
		}
		return rs, 1
	}
	_ = dst[(tiles-1)*apart+(k-1)*rows+15]
	if rows == 12 {
		copyTiles12(k, tiles, &src[0], 4*ld, &dst[0], 4*apart)
		return 1, rows
	}
	for t := range tiles {
		copy16(k, &src[t*rows], 4*ld, &dst[t*apart], 4*rows, rows)
	}
	return 1, rows
}

func packBAVX512(dst, src []float32, ld int, trans bool, k, w, width int) {
	_ = dst[k*width-1]
	switch {
	case !trans && width == 32:
		copy32(k, &src[0], 4*ld, &dst[0], 128, w)
	case !trans:
		copy16(k, &src[0], 4*ld, &dst[0], 64, w)
	default:
		for j := 0; j < width; j += 16 {
			for p := 0; p < k; p += 16 {
				transpose16(&src[j*ld+p], 4*ld, &dst[p*width+j], 4*width, min(16, w-j), min(16, k-p))
			}
		}
	}
}
