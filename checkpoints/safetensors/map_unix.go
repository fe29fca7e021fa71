//go:build unix

package safetensors

import (
	"os"

	"golang.org/x/sys/unix"
)

// mapFile returns the first size bytes of f, mapped for reading; nil when the
// system does not let it, as on a file system without mappings: the file is then
// read.
func mapFile(f *os.File, size int64) []byte {
	if size <= 0 || size != int64(int(size)) {
		return nil
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return b
}

func unmap(b []byte) error { return unix.Munmap(b) }

// release tells the system that the pages which lie within b are no longer
// needed: they leave this process's memory, not the system's cache.
func release(whole []byte, from, to int64) {
	page := int64(os.Getpagesize())
	from, to = (from+page-1)/page*page, to/page*page
	if from < to {
		_ = unix.Madvise(whole[from:to], unix.MADV_DONTNEED) // advice, no more
	}
}
