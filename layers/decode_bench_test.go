package layers

import (
	"fmt"
	"slices"
	"testing"

	"stillhouse/layers/tensor"
)

// smol135m is the geometry of SmolLM2-135M: 538 MB of float32 weights, which no
// cache holds.
func smol135m(b *testing.B) *Model {
	m, err := New(Config{VocabSize: 49152, HiddenSize: 576, Intermediate: 1536, Heads: 9, KVHeads: 3, HeadDim: 64,
		RopeTheta: 100000, NormEps: 1e-5, Tied: true, Mixers: slices.Repeat([]Mixed{{Kind: KindAttention}}, 30)}, tensor.F32)
	if err != nil {
		b.Fatal(err)
	}
	m.Init(1)
	return m
}

func BenchmarkDecode(b *testing.B) {
	m := smol135m(b)
	p := NewPool(0)
	defer p.Close()
	for name, make := range map[string]func(*Pool, *Model, int, int) *Decoder{"f32": NewDecoder, "bf16": NewBF16Decoder} {
		for _, batch := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprint(name, "/batch=", batch), func(b *testing.B) {
				d := make(p, m, batch, 256)
				ids := slices.Repeat([]int32{7}, batch)
				d.Extend(ids)
				b.ReportAllocs()
				for b.Loop() {
					if d.Position() == 250 {
						d.Reset()
					}
					d.Extend(ids)
				}
				b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "tokens/s")
			})
		}
	}
	b.Run("bandwidth", func(b *testing.B) {
		for b.Loop() {
			b.ReportMetric(MemoryBandwidth(p), "GB/s")
		}
	})
}
