package gemm

// Scratch returns about the bytes of packed operands that multiplications on so
// many threads keep between calls: one packed region of B, which a training step's
// larger products fill, and for each thread the rows of A that it works on and the
// small regions of the products that it makes by itself.
func Scratch(threads int) int {
	const element = 4
	return element * (regionMax*3/2 + threads*(rowsMax*(depthMax+slack)+regionMax/8))
}
