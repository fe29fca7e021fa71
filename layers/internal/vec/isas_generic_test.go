//go:build !amd64 || purego

package vec

import "testing"

// eachISA runs test with the only float32 path there is.
func eachISA(t *testing.T, test func(t *testing.T)) { t.Run(ISA(), test) }
