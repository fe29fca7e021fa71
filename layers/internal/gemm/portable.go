package gemm

import "stillhouse/layers/tensor"

// The tile of the portable path is tall×wide: 8 sums and 5 operands, what fits
// the registers that the compiler has on every processor. 4×4 spills on amd64
// and is slower by a third.
const (
	tall = 2
	wide = 4
)

// portable is the path in Go: float64 everywhere, float32 where there is no
// assembly. Both operands are packed into panels, padded with zeros, and
// every tile runs through the same loop, because a compiler may fuse x*y + z in
// one loop and not in another.
func portable[T tensor.Float]() *isa[T] {
	return &isa[T]{
		name:    "portable",
		heights: []int{tall},
		width:   2 * wide,
		depth:   depthMax,
		steps:   8,
		rows:    rowsMax,
		band:    256 * rowsMax,
		packsA:  true,
		strip:   stripGo[T],
		packA:   packAGo[T],
		packB:   packBGo[T],
		fma:     fmaGo[T],
	}
}

// stripGo is the strip in Go. A panel of B is two tiles wide, or one.
func stripGo[T tensor.Float](s *strip[T]) {
	for _, r := range s.runs {
		for t := range r.tiles {
			a := s.a[r.at+t*r.along:][:s.k*tall]
			for j := 0; j < s.w; j += wide {
				var x [tall * wide]T
				tileGo(&x, a, s.b[j:], s.bs)
				for i := range r.rows {
					c := s.c[(r.row+t*tall+i)*s.rowC+j:][:min(wide, s.w-j)]
					for jj := range c {
						if s.acc {
							c[jj] += x[i*wide+jj]
						} else {
							c[jj] = x[i*wide+jj]
						}
					}
				}
			}
		}
	}
}

// tileGo sets x to A·B for A packed [k,tall] and rows of B bs apart. Eating the
// slices from the front costs the compiler fewer bounds checks than indexing.
func tileGo[T tensor.Float](x *[tall * wide]T, a, b []T, bs int) {
	var x00, x01, x02, x03, x10, x11, x12, x13 T
	for len(a) >= tall && len(b) >= wide {
		v0, v1, v2, v3 := b[0], b[1], b[2], b[3]
		w := a[0]
		x00 += w * v0
		x01 += w * v1
		x02 += w * v2
		x03 += w * v3
		w = a[1]
		x10 += w * v0
		x11 += w * v1
		x12 += w * v2
		x13 += w * v3
		a = a[tall:]
		b = b[min(bs, len(b)):] // the last row may end where its tile does
	}
	*x = [tall * wide]T{x00, x01, x02, x03, x10, x11, x12, x13}
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
