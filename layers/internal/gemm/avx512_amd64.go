//go:build amd64 && !purego

package gemm

// avx512 is the path of 12×32 tiles: 24 sums in 32 registers. Masks take care
// of every width.
func avx512() *isa[float32] {
	return &isa[float32]{
		name:    "avx512",
		heights: []int{12, 8, 4, 2, 1},
		width:   32,
		band:    depthMax * rowsMax,
		readsB:  true,
		strip:   stripAVX512,
		packA:   packAAVX512,
		packB:   packBAVX512,
		fma: func(turns int) float64 {
			peakAVX512(turns)
			return float64(turns) * 12 * 16 * 2
		},
	}
}

func stripAVX512(s *strip[float32]) {
	mode := 0
	if s.acc {
		mode = 1
	}
	if s.whole || s.w%16 == 0 {
		mode |= 2
	}
	k, b, bs, ldc, w := s.k, &s.b[0], 4*s.bs, 4*s.ldc, s.w
	for i := range s.runs {
		r := &s.runs[i]
		rs, ks, along := 4*r.rs, 4*r.ks, 4*r.along
		for t, n := 0, 0; t < r.tiles; t += n {
			var next *float32
			var apart int
			next, apart, n = s.ask(r.tiles - t)
			a, c := &s.a[r.at+t*r.along], &s.c[(r.row+t*r.height)*s.ldc]
			if w > 16 {
				switch r.height {
				case 12:
					tile12x32(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
				case 8:
					tile8x32(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
				case 4:
					tile4x32(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
				case 2:
					tile2x32(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
				case 1:
					tile1x32(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
				}
				continue
			}
			switch r.height {
			case 12:
				tile12x16(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
			case 8:
				tile8x16(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
			case 4:
				tile4x16(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
			case 2:
				tile2x16(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
			case 1:
				tile1x16(n, k, a, rs, ks, along, b, bs, c, ldc, w, mode, next, apart)
			}
		}
	}
}

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
