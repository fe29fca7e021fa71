//go:build amd64 && !purego

package gemm

// avx2 is the path of 6×16 tiles: 12 sums in 16 registers.
func avx2() *isa[float32] {
	return &isa[float32]{
		name:    "avx2",
		heights: []int{6, 4, 2, 1},
		width:   16,
		narrow:  true,
		strip:   stripAVX2,
		packA:   packAAVX2,
		packB:   packBAVX2,
		fma: func(turns int) float64 {
			peakAVX2(turns)
			return float64(turns) * 12 * 8 * 2
		},
	}
}

func stripAVX2(s *strip[float32]) {
	mode := 0
	if s.acc {
		mode = 1
	}
	k, b, bs, ldc, w := s.k, &s.b[0], 4*s.bs, 4*s.ldc, s.w
	for i := range s.tiles {
		t := &s.tiles[i]
		a, rs, ks, c := &s.a[t.at], 4*t.rs, 4*t.ks, &s.c[t.row*s.ldc]
		next, apart := s.ask()
		if w > 8 {
			switch t.height {
			case 6:
				tile6x16AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
			case 4:
				tile4x16AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
			case 2:
				tile2x16AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
			case 1:
				tile1x16AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
			}
			continue
		}
		switch t.height {
		case 6:
			tile6x8AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
		case 4:
			tile4x8AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
		case 2:
			tile2x8AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
		case 1:
			tile1x8AVX2(k, a, rs, ks, b, bs, c, ldc, w, mode, next, apart)
		}
	}
}

func packAAVX2(dst []float32, apart int, src []float32, ld int, trans bool, tiles, rows, height, k int) (rs, ks int) {
	switch {
	case !trans:
		rs = k + 16 // not a power of two
		_ = dst[(tiles-1)*apart+(rows-1)*rs+k-1]
		for t := range tiles {
			copyRowsAVX2(rows, k, &src[t*rows*ld], 4*ld, &dst[t*apart], 4*rs)
		}
		return rs, 1
	case rows == 6:
		_ = dst[(tiles-1)*apart+k*rows-1]
		copyTiles6(k, tiles, &src[0], 4*ld, &dst[0], 4*apart)
		return 1, rows
	}
	return packAGo(dst, apart, src, ld, true, tiles, rows, rows, k)
}

// packBAVX2 turns whole 8×8 blocks by vector and leaves the rest to Go.
func packBAVX2(dst, src []float32, ld int, trans bool, k, w, width int) {
	if !trans && w == width {
		_ = dst[k*width-1]
		copyRowsAVX2(k, w, &src[0], 4*ld, &dst[0], 4*width)
		return
	}
	if w < width {
		packBGo(dst, src, ld, trans, k, w, width)
		return
	}
	_ = dst[k*width-1]
	for j := 0; j < width; j += 8 {
		p := 0
		for ; p+8 <= k; p += 8 {
			transpose8(&src[j*ld+p], 4*ld, &dst[p*width+j], 4*width)
		}
		for ; p < k; p++ {
			for i := range 8 {
				dst[p*width+j+i] = src[(j+i)*ld+p]
			}
		}
	}
}
