//go:build amd64 && !purego

package vec

import "testing"

// eachISA runs test with every float32 path this processor has.
func eachISA(t *testing.T, test func(t *testing.T)) {
	best := isa
	t.Cleanup(func() { isa = best })
	for isa = portable; ; isa++ {
		t.Run(ISA(), test)
		if isa == best {
			return
		}
	}
}
