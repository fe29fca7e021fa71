package vec

import (
	"fmt"
	"testing"
)

// BenchmarkVec gives every function's time at three lengths; the custom figure
// is per element.
func BenchmarkVec(b *testing.B) {
	for _, f := range subjects() {
		for _, n := range []int{32, 256, 4096} {
			s := make([][]float32, f.slices)
			for k := range s {
				s[k] = make([]float32, n)
				for i := range s[k] {
					s[k][i] = float32(i%7) / 8
				}
			}
			c := narrow(f.scalars)
			b.Run(fmt.Sprintf("%s/%d", f.name, n), func(b *testing.B) {
				for b.Loop() {
					f.single(s, c)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
			})
		}
	}
}
