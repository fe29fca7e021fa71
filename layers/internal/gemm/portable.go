package gemm

import "stillhouse/layers/tensor"

// side is the tile of the portable path, side×side: 16 sums and 8 operands,
// what 32 registers hold.
const side = 4

// portable is the path in Go: float64 everywhere, float32 where there is no
// assembly. Both operands are packed into panels of side, padded with zeros, and
// every tile runs through the same loop, because a compiler may fuse x*y + z in
// one loop and not in another.
func portable[T tensor.Float]() *isa[T] {
	return &isa[T]{
		name:    "portable",
		heights: []int{side},
		width:   2 * side, // panels of B are a half wide: see stripGo
		packsA:  true,
		strip:   stripGo[T],
		packA:   packAGo[T],
		packB:   packBGo[T],
		fma:     fmaGo[T],
	}
}

// stripGo is the strip of side-wide tiles. A panel of B is two of them beside
// each other, or one.
func stripGo[T tensor.Float](s *strip[T]) {
	for _, t := range s.tiles {
		for j := 0; j < s.w; j += side {
			var x [side * side]T
			square(&x, s.a[t.at:t.at+s.k*side], s.b[j:], s.bs, s.k)
			for i := range t.rows {
				c := s.c[(t.row+i)*s.ldc+j:][:min(side, s.w-j)]
				for jj := range c {
					if s.acc {
						c[jj] += x[i*side+jj]
					} else {
						c[jj] = x[i*side+jj]
					}
				}
			}
		}
	}
}

// square sets x to A·B for A packed [k,side] and rows of B bs apart.
func square[T tensor.Float](x *[side * side]T, a, b []T, bs, k int) {
	var x00, x01, x02, x03, x10, x11, x12, x13, x20, x21, x22, x23, x30, x31, x32, x33 T
	for p := range k {
		u := a[p*side:][:side]
		v := b[p*bs:][:side]
		v0, v1, v2, v3 := v[0], v[1], v[2], v[3]
		w := u[0]
		x00 += w * v0
		x01 += w * v1
		x02 += w * v2
		x03 += w * v3
		w = u[1]
		x10 += w * v0
		x11 += w * v1
		x12 += w * v2
		x13 += w * v3
		w = u[2]
		x20 += w * v0
		x21 += w * v1
		x22 += w * v2
		x23 += w * v3
		w = u[3]
		x30 += w * v0
		x31 += w * v1
		x32 += w * v2
		x33 += w * v3
	}
	*x = [side * side]T{x00, x01, x02, x03, x10, x11, x12, x13, x20, x21, x22, x23, x30, x31, x32, x33}
}

// fmaGo is the loop of Peak in Go.
func fmaGo[T tensor.Float](turns int) float64 {
	var x0, x1, x2, x3, x4, x5, x6, x7 T
	u, v := T(1e-9), T(1e-9)
	for range turns {
		x0 += u * v
		x1 += u * v
		x2 += u * v
		x3 += u * v
		x4 += u * v
		x5 += u * v
		x6 += u * v
		x7 += u * v
		v = -v
	}
	if x0+x1+x2+x3+x4+x5+x6+x7 == 1 { // the sums must be wanted, or they are not made
		return 0
	}
	return 16 * float64(turns)
}
