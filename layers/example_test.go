package layers_test

import (
	"fmt"

	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// A hybrid of attention and Mamba-2 whose head was set to count: it runs forward
// over a batch, and goes on with a prompt.
func Example() {
	c := layers.Config{VocabSize: 16, HiddenSize: 16, Intermediate: 32, Heads: 2, KVHeads: 1, HeadDim: 8, RopeTheta: 1e4, NormEps: 1e-5}
	mamba := layers.Mamba2For(&c)
	c.Mixers = []layers.Mixed{{Kind: layers.KindAttention}, {Kind: layers.KindMamba2, Mamba2: &mamba}}
	m, err := layers.New(c, tensor.F32)
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Init(1) // small weights: the embedding below is most of the last hidden state
	m.Embed.Value.Zero()
	m.Head.Value.Zero()
	for i := range 16 {
		tensor.Data[float32](m.Embed.Value)[i*16+i] = 1
		tensor.Data[float32](m.Head.Value)[(i+1)%16*16+i] = 1 // after i comes i+1
	}

	b := layers.NewBatch(2, 5, tensor.F32)
	copy(tensor.Data[int32](b.IDs), []int32{0, 1, 2, 3, 4, 9, 9, 9, 9, 9})
	logits, err := layers.Logits(nil, m, b)
	if err != nil {
		fmt.Println(err)
		return
	}
	said, err := layers.Continue(nil, m, [][]int32{{4}, {1, 2, 12}}, 3, []int32{15})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Config.Strip(), m.Size(), "weights, logits", logits.Shape())
	fmt.Println(said)
	// Output:
	// AM 6006 weights, logits [10 16]
	// [[5 6 7] [13 14]]
}
