package parallel_test

import (
	"fmt"

	"stillhouse/layers/internal/parallel"
)

func ExamplePool_For() {
	p := parallel.New(2)
	defer p.Close()

	// Eight rows, one index each: the result cannot depend on who does which.
	rows := make([]int, 8)
	p.For(len(rows), func(i int) { rows[i] = i * i })
	fmt.Println(rows)
	// Output: [0 1 4 9 16 25 36 49]
}
