//go:build !amd64 || purego

package vec

// isa is the only path there is.
const isa = portable

const unreachable = "vec: no assembly on this platform"
