//go:build linux || darwin || freebsd

package main

import "golang.org/x/sys/unix"

// freeDisk returns the bytes that may still be written where dir is, 0 if it
// cannot be told.
func freeDisk(dir string) int64 {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0
	}
	return int64(s.Bavail) * int64(s.Bsize)
}
