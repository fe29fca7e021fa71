package checkpoints

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"stillhouse/checkpoints/internal/durable"
	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// BenchmarkSave writes, fsyncs and reads back 64 tensors. 500 MB is what a
// student of 125 million weights takes.
func BenchmarkSave(b *testing.B) {
	for _, size := range []int{8_000_000, 500_000_000} {
		b.Run(fmt.Sprintf("%dMB", size/1_000_000), func(b *testing.B) {
			weights := randomWeights(size)
			r, err := openRun(b.TempDir(), durable.OS(), (*Run).mustBeNew)
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			r.KeepLast = 1
			b.SetBytes(int64(size))
			for step := int64(1); b.Loop(); step++ {
				if _, err := Save(r, State{GlobalStep: step}, weights, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkVerify is what a resume pays before it reads the weights.
func BenchmarkVerify(b *testing.B) {
	for _, size := range []int{8_000_000, 500_000_000} {
		b.Run(fmt.Sprintf("%dMB", size/1_000_000), func(b *testing.B) {
			r, err := openRun(b.TempDir(), durable.OS(), (*Run).mustBeNew)
			if err != nil {
				b.Fatal(err)
			}
			defer r.Close()
			c, err := Save(r, State{GlobalStep: 1}, randomWeights(size), nil)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, problems := Verify(c.Path); problems != nil {
					b.Fatal(problems)
				}
			}
		})
	}
}

func randomWeights(size int) []safetensors.Named {
	rng := rand.New(rand.NewPCG(1, 2))
	var named []safetensors.Named
	for i := range 64 {
		t := tensor.New(tensor.F32, size/4/64)
		for j, d := 0, tensor.Data[float32](t); j < len(d); j++ {
			d[j] = rng.Float32()
		}
		named = append(named, safetensors.Named{Name: fmt.Sprintf("model.layers.%d.weight", i), Tensor: t})
	}
	return named
}
