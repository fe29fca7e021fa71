//go:build !unix

package safetensors

import "os"

// mapFile maps nothing: the file is read.
func mapFile(*os.File, int64) []byte { return nil }

func unmap([]byte) error { return nil }

func release([]byte, int64, int64) {}
