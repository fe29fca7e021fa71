//go:build amd64 && !purego

package gemm

// A step's pairs are elements 16 apart, in both operands alike: cutting a pair of vectors
// then moves nothing from lane to lane.

// packRowsAMX cuts lines into parts whose rows they are, 32 a tile, the low part
// first. Their elements lie along a row of src, or across its rows.
func packRowsAMX(dst []float32, apart int, src []float32, ld int, across bool, lines, k int) {
	packLinesAMX(dst[2*partAMX:], apart, src, ld, across, across, lines, k, -partAMX)
}

// packColumnsAMX cuts lines into parts whose columns they are, the high part first.
func packColumnsAMX(dst []float32, apart int, src []float32, ld int, across bool, lines, k int) {
	packLinesAMX(dst, apart, src, ld, across, !across, lines, k, partAMX)
}

// packLinesAMX cuts lines into parts, the high one at dst, the others part elements
// on and twice as many.
func packLinesAMX(dst []float32, apart int, src []float32, ld int, across, turned bool, lines, k, part int) {
	run := k
	if across {
		run = 2 * stepAMX // memory likes to be read in rows
	}
	for p := 0; p < k; p += run {
		for i := 0; i < lines; i += 16 {
			from := i*ld + p
			if across {
				from = i + p*ld
			}
			splitLines(dst[i/32*apart+i%32*16+p*3*partAMX/stepAMX:], part, src[from:], ld, across, turned, min(16, lines-i), min(run, k-p))
		}
	}
}

// splitLines cuts k steps of at most 16 lines into parts, the high one at dst. Lines
// lie along a row of src or across its rows, and are turned if rows are to be lanes.
func splitLines(dst []float32, part int, src []float32, ld int, across, turned bool, lines, k int) {
	whole := 0
	if lines == 16 {
		whole = k / stepAMX
	}
	if whole > 0 {
		split(&dst[0], part, &src[0], ld, across, turned, whole)
	}
	for p := whole * stepAMX; p < k; p += stepAMX { // what is less than 16 lines or a step, among zeros
		var edge [16 * stepAMX]float32
		from, rows, columns, apart := p, lines, min(stepAMX, k-p), stepAMX
		if across {
			from, rows, columns, apart = p*ld, columns, rows, 16
		}
		for r := range rows {
			copy(edge[r*apart:][:columns], src[from+r*ld:])
		}
		split(&dst[p*3*partAMX/stepAMX], part, &edge[0], apart, across, turned, 1)
	}
}

// split is splitLines for whole steps of 16 lines. It calls the assembly by name:
// through a variable, what is cut would be on the heap.
func split(high *float32, part int, src *float32, ld int, across, turned bool, steps int) {
	pair, step := 16, stepAMX // between the elements of a pair, to the next step
	if across {
		pair, step = 16*ld, stepAMX*ld
	}
	if turned {
		splitTurned(steps, src, 4*ld, 4*pair, 4*step, high, 4*part)
	} else {
		splitPairs(steps, src, 4*ld, 4*pair, 4*step, high, 4*part)
	}
}

// packHalfAMX is packColumnsAMX for lines of bfloat16 along k: the other parts are zero
// and left out.
func packHalfAMX(dst []float32, apart int, src []uint16, ld, lines, k int) {
	for i := 0; i < lines; i += 16 {
		dst, src, rows := dst[i/32*apart+i%32*16:], src[i*ld:], min(16, lines-i)
		whole := 0
		if rows == 16 {
			whole = k / stepAMX
			if whole > 0 {
				turnHalves(whole, &src[0], 2*ld, &dst[0])
			}
		}
		for p := whole * stepAMX; p < k; p += stepAMX {
			var edge [16 * stepAMX]uint16
			for r := range rows {
				copy(edge[r*stepAMX:][:min(stepAMX, k-p)], src[r*ld+p:])
			}
			turnHalves(1, &edge[0], 2*stepAMX, &dst[p/stepAMX*3*partAMX])
		}
	}
}
