//go:build amd64 && !purego

package gemm

// avx2 is the path of 6×16 tiles: 12 sums in 16 registers.
func avx2() *isa[float32] {
	return &isa[float32]{
		name:    "avx2",
		heights: []int{6, 4, 2, 1},
		width:   16,
		depth:   depthMax,
		steps:   8,
		rows:    rowsMax,
		slack:   slack,
		band:    256 * rowsMax, // 147 KB: an L2 may have 512 KiB, and a neighbour
		narrow:  true,
		strip: stripOf(8,
			[]tileFunc{6: tile6x16AVX2, 4: tile4x16AVX2, 2: tile2x16AVX2, 1: tile1x16AVX2},
			[]tileFunc{6: tile6x8AVX2, 4: tile4x8AVX2, 2: tile2x8AVX2, 1: tile1x8AVX2}),
		packA: packAAVX2,
		packB: packBAVX2,
		copyB: func(dst, src []float32, ld, panels, k int) {
			_, _ = dst[panels*16*k-1], src[(k-1)*ld+panels*16-1]
			copyTiles16(k, panels, &src[0], 4*ld, &dst[0], 64*k)
		},
		fma: func(turns int) float64 {
			peakAVX2(turns)
			return float64(turns) * 12 * 8 * 2
		},
	}
}

// packAAVX2 leaves every tile as one run of [k,rows], where it reads faster than from
// rows apart. Fewer rows than six are left to Go.
func packAAVX2(dst []float32, apart int, src []float32, ld int, trans bool, tiles, rows, height, k int) (rs, ks int) {
	if rows < 6 {
		return packAGo(dst, apart, src, ld, trans, tiles, rows, rows, k)
	}
	_ = dst[(tiles-1)*apart+k*rows+1]
	if trans {
		copyTiles6(k, tiles, &src[0], 4*ld, &dst[0], 4*apart)
		return 1, rows
	}
	whole := k &^ 7
	if whole > 0 {
		turnTiles6(whole, tiles, &src[0], 4*ld, &dst[0], 4*apart, 4*rows)
	}
	for t := 0; t < tiles && whole < k; t++ {
		packAGo(dst[t*apart+whole*rows:], 0, src[t*rows*ld+whole:], ld, false, 1, rows, rows, k-whole)
	}
	return 1, rows
}

// packBAVX2 copies or turns whole panels by vector and leaves the rest to Go.
func packBAVX2(dst, src []float32, ld int, trans bool, k, w, width int) {
	if w < width {
		packBGo(dst, src, ld, trans, k, w, width)
		return
	}
	_ = dst[k*width-1]
	switch {
	case trans:
		whole := k &^ 7
		if whole > 0 {
			turnTiles8(whole, width/8, &src[0], 4*ld, &dst[0], 32, 4*width)
		}
		if whole < k {
			packBGo(dst[whole*width:], src[whole:], ld, true, k-whole, w, width)
		}
	case width == 16:
		copyTiles16(k, 1, &src[0], 4*ld, &dst[0], 0)
	default:
		copyTiles8(k, 1, &src[0], 4*ld, &dst[0], 0)
	}
}
