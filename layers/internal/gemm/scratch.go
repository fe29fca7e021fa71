package gemm

// Scratch returns about the bytes of packed operands that multiplications on so
// many threads keep between calls: one packed region of B, which a training step's
// larger products fill, and for each thread the rows of A that it works on and the
// small regions of the products that it makes by itself.
func Scratch(threads int) int {
	const element = 4
	s := fastest
	return element * (s.room(s.width, regionMax/s.width)*3/2 + threads*(s.room(s.rows, s.depth+s.slack)+regionMax/8))
}
