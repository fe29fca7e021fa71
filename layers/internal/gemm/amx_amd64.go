//go:build amd64 && !purego

package gemm

import "encoding/binary"

// amx is the path of 32×32 tiles on the matrix unit of Intel's server processors
// since 2023, which multiplies bfloat16 and adds in float32. An operand is cut into
// three parts of eight bits that sum to it, see amx_parts_amd64.go, and of the nine
// products of parts the six largest are made,
//
//	a·b ≈ l·h + m·h + m·m + h·m + h·l + h·h        error below 2⁻²³·|a·b|
//
// which is what float32 itself rounds a product and a sum by (Henry, Tang and
// Heinecke 2019, arXiv:1904.06376). Sixteen pairs of steps are added up before they
// are rounded into C, so that long sums lose less than in order. Of 16 times the
// multiply-adds of AVX-512 a sixth remains: 2.6 times.
//
// Unlike the other paths it makes nothing of infinities but NaN, takes numbers below
// 2⁻¹¹⁰ for less exact and products below 2⁻¹²⁶ for zero.
func amx() *isa[float32] {
	s := pathAMX(stripAMX, packRowsAMX, packColumnsAMX)
	s.turned = pathAMX(stripTurnedAMX, packColumnsAMX, packRowsAMX)
	return s
}

type packAMX func(dst []float32, apart int, src []float32, ld int, across bool, lines, k int)

func pathAMX(strip func(*strip[float32]), packA, packB packAMX) *isa[float32] {
	return &isa[float32]{
		name:    "amx",
		heights: []int{32},
		width:   32,
		fewest:  64,
		depth:   768, // few, for C is read and written for each
		steps:   stepAMX,
		rows:    256,
		band:    768 * 256, // 1.1 MiB of an L2 of 2 MiB
		packsA:  true,
		packsB:  true,
		parts:   true,
		strip:   strip,
		packA: func(dst []float32, apart int, src []float32, ld int, trans bool, tiles, rows, _, k int) (rs, ks int) {
			packA(dst, apart, src, ld, trans, tiles*rows, k)
			return 0, 0
		},
		packB:    func(dst, src []float32, ld int, trans bool, k, w, _ int) { packB(dst, 0, src, ld, !trans, w, k) },
		packHalf: packHalfAMX,
		fma: func(turns int) float64 {
			c := configAMX(32, 32)
			peakAMX(&c, turns)
			return float64(turns) * 4 * (2 * 16 * 16 * 32) / 6
		},
	}
}

// stepAMX is the k of one instruction, partAMX the elements from one part of a step to
// the next: two tiles of 16 lines.
const (
	stepAMX = 32
	partAMX = 2 * 16 * stepAMX / 2
)

// configAMX returns the shape of the tiles that multiply rows×w of C, see tilesAMX.
func configAMX(rows, w int) (c [64]byte) {
	c[0] = 1 // palette
	set := func(tile, rows, columns int) {
		if rows > 0 && columns > 0 {
			binary.LittleEndian.PutUint16(c[16+2*tile:], uint16(4*columns))
			c[48+tile] = byte(rows)
		}
	}
	for i := range 2 {
		r, q := min(16, rows-16*i), min(16, w-16*i)
		set(2*i, r, min(16, w))
		set(2*i+1, r, w-16)
		set(4+i, r, 16)
		if q > 0 {
			set(6+i, 16, q)
		}
	}
	return c
}

// stripAMX is the strip on the matrix unit.
func stripAMX(s *strip[float32]) {
	for i := range s.runs {
		r := &s.runs[i]
		config, kind := configAMX(r.rows, s.w), s.kindAMX(r.rows, s.w)
		tilesAMX(&config, kind, r.tiles, stepsAMX(s.k), &s.a[r.at], 4*r.along, &s.b[0], 0,
			&s.c[r.row*s.rowC], 4*s.rowC, 4*32*s.rowC, s.beyond())
	}
}

// stripTurnedAMX is stripAMX for a transposed C: the panel is one of its rows.
func stripTurnedAMX(s *strip[float32]) {
	for i := range s.runs {
		r := &s.runs[i]
		config, kind := configAMX(s.w, r.rows), s.kindAMX(s.w, r.rows)
		tilesAMX(&config, kind, r.tiles, stepsAMX(s.k), &s.b[0], 0, &s.a[r.at], 4*r.along,
			&s.c[r.row*s.rowC], 4*s.colC, 4*32*s.rowC, s.beyond())
	}
}

// stepsAMX returns how many steps of an instruction k steps are.
func stepsAMX(k int) int { return (k + stepAMX - 1) / stepAMX }

// beyond returns where the panel after a packed one begins.
func (s *strip[T]) beyond() *T { return &s.b[min(len(s.b)-1, stepsAMX(s.k)*3*partAMX)] }

// kindAMX says which tiles of C there are and how they are made, see tilesAMX.
func (s *strip[T]) kindAMX(rows, w int) (kind int) {
	for bit, is := range [...]bool{w > 16, rows > 16, s.acc, s.half} {
		if is {
			kind |= 1 << bit
		}
	}
	return kind
}

// tilesAMX multiplies so many tiles of 32×32, one after the other by the strides
// along A, B and C, all in bytes. Bits of kind: 1, 2: there are tiles of more than 16
// columns, rows; 4: C is added to; 8: B has its high part only. next is asked for meanwhile.
//
//go:noescape
func tilesAMX(config *[64]byte, kind, tiles, steps int, a *float32, alongA int, b *float32, alongB int, c *float32, ldc, alongC int, next *float32)

// peakAMX runs turns of four independent products of tiles.
//
//go:noescape
func peakAMX(config *[64]byte, turns int)
