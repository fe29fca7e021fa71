//go:build !linux && !purego

package gemm

// allowsAMX is false: only Linux is known to keep the matrix unit's state.
func allowsAMX() bool { return false }
