//go:build !linux

package tensor

import "unsafe"

// wantHugePages leaves the choice to the system.
func wantHugePages(unsafe.Pointer, uintptr) {}
