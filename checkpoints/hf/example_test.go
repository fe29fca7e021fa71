package hf_test

import (
	"errors"
	"fmt"

	"stillhouse/checkpoints/hf"
)

// A tiny Llama is opened; a Bamba says what keeps it from being.
func Example() {
	m, err := hf.Open("testdata/llama-gqa")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()
	c := m.Config
	fmt.Println(c.ModelType, c.Layers(), "layers,", c.Heads, "heads over", c.KVHeads, "of", c.HeadDim)
	w, err := m.Read("model.layers.0.self_attn.k_proj.weight")
	fmt.Println(w, err)
	_, err = hf.Open("testdata/bamba")
	fmt.Println(errors.Is(err, hf.ErrUnsupported))
	// Output:
	// llama 4 layers, 4 heads over 2 of 8
	// F32[16 32] <nil>
	// true
}
