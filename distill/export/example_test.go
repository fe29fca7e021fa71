package export_test

import (
	"fmt"

	"stillhouse/distill/export"
	"stillhouse/layers"
	"stillhouse/layers/tensor"
)

// A hybrid whose Mamba-2 layer norms all of its channels together fits
// transformers; llama.cpp would compute something else.
func Example() {
	c := layers.Config{VocabSize: 11, HiddenSize: 16, Intermediate: 8, Heads: 4, KVHeads: 2, HeadDim: 4, RopeTheta: 1e4, NormEps: 1e-5, MaxPositions: 64,
		Mixers: []layers.Mixed{{Kind: layers.KindAttention}, {Kind: layers.KindMamba2}}}
	m := layers.Mamba2For(&c)
	c.Mixers[1].Mamba2 = &m
	model, err := layers.New(c, tensor.F32)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := export.Prepare(export.Source{Model: model, Name: "hybrid"}, export.Options{DType: "bfloat16"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(f.Format, f.Runtimes, f.Size(), "bytes")
	fmt.Println(export.Check(&c, export.Options{Format: export.GGUF}))
	// Output:
	// granitemoehybrid [transformers] 7856 bytes
	// cannot be exported as gguf:
	//   Mamba-2 is normed over all of its 4 groups, and llama.cpp norms each (hint: student.mixer.norm: grouped, or groups: 1, before training)
}
