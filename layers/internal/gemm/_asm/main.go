// Command asm writes the assembly of package gemm with avo; run it by go generate
// in the package.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	ConstraintExpr("amd64,!purego")
	edgeTable()
	for _, rows := range []int{12, 8, 4, 2, 1} {
		for _, vecs := range []int{2, 1} {
			emit512(fmt.Sprintf("tile%dx%d", rows, 16*vecs), rows, vecs)
		}
	}
	for _, rows := range []int{6, 4, 2, 1} {
		for _, vecs := range []int{2, 1} {
			emit256(fmt.Sprintf("tile%dx%dAVX2", rows, 8*vecs), rows, vecs)
		}
	}
	copy512("copy16", 1)
	copy512("copy32", 2)
	copyRows()
	for _, height := range []int{16, 12, 8, 6} {
		copyTiles(fmt.Sprintf("copyTiles%d", height), height)
	}
	transpose512()
	turnTiles("turnTiles6", 6)
	turnTiles("turnTiles8", 8)
	words := upperWords()
	split(words, "splitPairs", " cuts 16 pairs of 16 lanes a step into three parts.", false)
	split(words, "splitTurned", " is splitPairs, but the lanes of a part become its rows.", true)
	turnHalves()
	peak("peakAVX512", true)
	peak("peakAVX2", false)
	Generate()
}
