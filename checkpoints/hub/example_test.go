package hub_test

import (
	"fmt"

	"stillhouse/checkpoints/hub"
)

func ExampleParseRef() {
	r, err := hub.ParseRef("hf://datasets/org/traces@v1/train.jsonl.zst")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Kind, r.Name, r.Revision, r.Path)
	fmt.Println(r)
	// Output:
	// datasets org/traces v1 train.jsonl.zst
	// hf://datasets/org/traces@v1/train.jsonl.zst
}
