// Package durable puts files and folders on the disk so that a power cut leaves
// the old or the new, never a mix.
//
// There is one type here, [Ops]: the dozen operations on the disk that the
// packages above need, each a function, so that a test can fail, count or stop
// at any of them. On top of it:
//
//	Replace    temp file → write → fsync → rename → fsync parent; WriteFile of bytes
//	Folder     temp folder → files, each fsynced → fsync → rename → fsync parent
//	Stream     one file of it, hashed as it is written
//	Sum        size and SHA-256 of a file, read back
//
// The order is the point. Without the fsync of the file, ext4 leaves a file of
// zeros or none under the final name; without that of the parent, the rename
// itself may be lost after it was reported as done. An fsync that failed is
// never repeated: the kernel marks the pages clean, and a second call would
// report success for bytes that are gone (Rebello et al., ATC'20).
//
// It does not lock, retry or decide what to keep.
package durable
