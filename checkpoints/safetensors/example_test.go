package safetensors_test

import (
	"bytes"
	"fmt"

	"stillhouse/checkpoints/safetensors"
	"stillhouse/layers/tensor"
)

// A tensor goes out as bfloat16, half the bytes, and comes back as float32.
func Example() {
	w := tensor.From([]float32{1, 2.5, -3, 0.1}, 2, 2)
	var file bytes.Buffer
	err := safetensors.Write(&file, []safetensors.Named{{Name: "w", Tensor: w, DType: safetensors.BF16}}, map[string]string{"format": "pt"})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := safetensors.Parse("w.safetensors", file.Bytes())
	if err != nil {
		fmt.Println(err)
		return
	}
	info, _ := f.Info("w")
	fmt.Println(f.Names(), info.DType, info.Shape, info.Bytes, f.Metadata())
	back, err := f.Read("w")
	fmt.Println(back, tensor.Data[float32](back), err)
	_, err = safetensors.Parse("w.safetensors", file.Bytes()[:file.Len()-1])
	fmt.Println(err)
	// Output:
	// [w] BF16 [2 2] 8 map[format:pt]
	// F32[2 2] [1 2.5 -3 0.100097656] <nil>
	// safetensors: w.safetensors: not a valid safetensors file: tensor "w" takes 8 bytes at 0, the file has 7 bytes of tensors: cut short
}
