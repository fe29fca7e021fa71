// Command asm writes the assembly of package vec with avo; run it by go generate
// in the package.
package main

import (
	"flag"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	generic := flag.String("generic", "../stubs_generic.go", "where to write the stubs of other platforms")
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	sums()
	matvec()
	mixes()
	arithmetic()
	exponentials()
	decays()
	softmax()
	losses()
	Generate()
	writeStubs(*generic)
}
