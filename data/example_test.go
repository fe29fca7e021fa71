package data_test

import (
	"fmt"
	"os"
	"slices"

	"stillhouse/data"
	"stillhouse/data/tokenizer"
)

// A tokenizer is trained on the text it will encode; then any batch can be made.
func Example() {
	cfg := data.Config{
		Sources:     []data.SourceConfig{{Source: "task:arithmetic", Weight: 1}},
		SequenceLen: 64, Packing: true, LossOn: data.Completion, Seed: 42,
	}
	texts, err := data.Sample(cfg, 1<<16)
	if err != nil {
		fmt.Println(err)
		return
	}
	tok, err := tokenizer.Train(slices.Values(texts), tokenizer.TrainOptions{VocabSize: 300})
	if err != nil {
		fmt.Println(err)
		return
	}
	loader, err := data.Open(cfg, tok)
	if err != nil {
		fmt.Println(err)
		return
	}
	batch, err := loader.Batch(data.Validation, 1000, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := loader.Preview(os.Stdout, batch); err != nil {
		fmt.Println(err)
	}
	// Output:
	// --- row 0, tokens 0 to 28: task:arithmetic validation 6392635937114969050
	// <|bos|>81-2-9?[[81-2=79;79-9=70#70
	// <|eos|>]]
	// --- row 0, tokens 28 to 56: task:arithmetic validation 9868843579713241701
	// <|bos|>11-6+18?[[11-6=5;5+18=23#23
	// <|eos|>]]
	// --- row 0, tokens 56 to 64: task:arithmetic validation 15217257045915724491
	// <|bos|>50+5+6-
	// 1 rows of 64 tokens, 39 counted
}
