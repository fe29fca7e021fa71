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
			splitLines(dst[i/32*apart+i%32*16+p*3*partAMX/stepAMX:], part, src[from:], ld, !across, turned, min(16, lines-i), min(run, k-p))
		}
	}
}

// splitLines cuts k steps of at most 16 lines into parts, the high one at dst. Lines
// lie along k or across it, and are turned if rows are to be lanes.
func splitLines(dst []float32, part int, src []float32, ld int, along, turned bool, lines, k int) {
	whole := 0
	row, pair, step := ld, 16*ld, stepAMX*ld // between a step's 16 pairs, in a pair, to the next step
	if along {
		pair, step = 16, stepAMX
	}
	if lines == 16 {
		whole = k / stepAMX
		if whole > 0 {
			split(turned, whole, &src[0], 4*row, 4*pair, 4*step, &dst[0], 4*part)
		}
	}
	for s := whole; s*stepAMX < k; s++ {
		var edge [16 * stepAMX]float32
		left := min(stepAMX, k-s*stepAMX)
		if along {
			for i := range lines {
				copy(edge[i*stepAMX:][:left], src[i*ld+s*step:])
			}
			split(turned, 1, &edge[0], 4*stepAMX, 4*16, 0, &dst[s*3*partAMX], 4*part)
			continue
		}
		for p := range left {
			copy(edge[p*16:][:lines], src[s*step+p*ld:])
		}
		split(turned, 1, &edge[0], 4*16, 4*16*16, 0, &dst[s*3*partAMX], 4*part)
	}
}

// split is splitTurned or splitPairs; through a variable, edges would be on the heap.
func split(turned bool, steps int, src *float32, row, pair, step int, high *float32, part int) {
	if turned {
		splitTurned(steps, src, row, pair, step, high, part)
	} else {
		splitPairs(steps, src, row, pair, step, high, part)
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
