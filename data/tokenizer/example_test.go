package tokenizer_test

import (
	"fmt"
	"slices"
	"strings"

	"stillhouse/data/tokenizer"
)

func Example() {
	texts := []string{strings.Repeat("func add(a, b int) int {\n\treturn a + b\n}\n", 50)}
	tok, err := tokenizer.Train(slices.Values(texts), tokenizer.TrainOptions{VocabSize: 280})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids := tok.Encode("return a + 12\n")
	for _, id := range ids {
		fmt.Printf("%q,", tok.Token(id))
	}
	fmt.Printf("\n%q\n", tok.Decode(ids))
	// Output:
	// "return"," a"," +"," ","1","2","\n",
	// "return a + 12\n"
}
