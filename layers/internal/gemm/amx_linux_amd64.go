//go:build !purego

package gemm

import "syscall"

// allowsAMX asks the kernel for the matrix unit's state on behalf of all threads.
func allowsAMX() bool {
	const requestPermission, tileData = 0x1023, 18 // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
	_, _, e := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, requestPermission, tileData, 0)
	return e == 0
}
