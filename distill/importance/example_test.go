package importance_test

import (
	"fmt"

	"stillhouse/distill/importance"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// A teacher whose third mixer adds nothing is scored by one backward pass.
func Example() {
	c := layers.Config{VocabSize: 16, HiddenSize: 16, Intermediate: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeTheta: 1e4, NormEps: 1e-5}
	for range 4 {
		c.Mixers = append(c.Mixers, layers.Mixed{Kind: layers.KindAttention})
	}
	teacher, err := layers.New(c, tensor.F32)
	if err != nil {
		fmt.Println(err)
		return
	}
	teacher.Init(1)
	teacher.Blocks[2].Mixer.(*layers.Attention).O.Value.Zero()

	scores, err := importance.Gate(importance.Probe{
		Teacher: teacher, Student: teacher, Layers: []int{0, 1, 2, 3}, B: 4, T: 8, Batches: 2,
		Fill: func(i int, b *layers.Batch) error {
			ids, labels, weight := tensor.Data[int32](b.IDs), tensor.Data[int32](b.Labels), tensor.Data[float32](b.Weight)
			for n := range ids {
				ids[n], labels[n], weight[n] = int32(n*7+i)%16, int32(n*7+i+7)%16, 1
			}
			return nil
		},
	}, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s read %d tokens; layer %d is the most replaceable\n", scores.Method, scores.Tokens, scores.Order()[0])
	// Output:
	// gate read 64 tokens; layer 2 is the most replaceable
}
