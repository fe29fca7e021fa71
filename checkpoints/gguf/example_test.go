package gguf_test

import (
	"bytes"
	"fmt"

	"stillhouse/checkpoints/gguf"
	"stillhouse/layers/tensor"
)

// A tensor goes out as bfloat16, half the bytes, and comes back as float32.
func Example() {
	w := tensor.From([]float32{1, 2.5, -3, 0.1, 0, 7}, 2, 3)
	var file bytes.Buffer
	err := gguf.Write(&file, []gguf.KV{
		{Key: "general.architecture", Value: "llama"},
		{Key: "llama.block_count", Value: uint32(1)},
		{Key: "tokenizer.ggml.tokens", Value: []string{"<s>", "a"}},
	}, []gguf.Named{{Name: "output.weight", Tensor: w, Type: gguf.BF16}})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := gguf.Parse("w.gguf", file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	layers, ok, err := gguf.Get[uint32](f, "llama.block_count")
	fmt.Println(layers, ok, err)
	_, _, err = gguf.Get[int32](f, "llama.block_count")
	fmt.Println(err)
	info, _ := f.Info("output.weight")
	fmt.Println(info.Type, info.Shape, info.Bytes)
	back, err := f.Read("output.weight")
	fmt.Println(back, tensor.Data[float32](back), err)
	_, err = gguf.Parse("w.gguf", file.Bytes()[:file.Len()-21])
	fmt.Println(err)
	// Output:
	// 1 true <nil>
	// gguf: w.gguf: key "llama.block_count" holds a uint32, want a int32
	// BF16 [2 3] 12
	// F32[2 3] [1 2.5 -3 0.100097656 0 7] <nil>
	// gguf: w.gguf: not a valid GGUF file: tensor "output.weight" takes 12 bytes at 0, the file has 11 bytes of tensors: cut short
}
