//go:build amd64 && !purego

package gemm

// tileFunc multiplies so many tiles of a run, see _asm/tile.go.
type tileFunc func(tiles, k int, a *float32, rs, ks, along int, b *float32, bs int, c *float32, ldc, w, mode int, next *float32, apart int)

// stripOf returns the strip of tiles in assembly, by their heights: wide ones, and
// those for up to half columns.
func stripOf(half int, wide, narrow []tileFunc) func(s *strip[float32]) {
	return func(s *strip[float32]) {
		of, mode := wide, 0
		if s.w <= half {
			of = narrow
		}
		if s.acc {
			mode = 1
		}
		if s.whole || s.w%half == 0 {
			mode |= 2
		}
		for i := range s.runs {
			r := &s.runs[i]
			for t := 0; t < r.tiles; {
				next, apart, n := s.ask(r.tiles - t)
				of[r.height](n, s.k, &s.a[r.at+t*r.along], 4*r.rs, 4*r.ks, 4*r.along, &s.b[0], 4*s.bs,
					&s.c[(r.row+t*r.height)*s.rowC], 4*s.rowC, s.w, mode, next, apart)
				t += n
			}
		}
	}
}
