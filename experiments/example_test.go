package experiments_test

import (
	"fmt"

	"stillhouse/experiments"
)

// Seven seeds of two arms: the KL to the teacher of one less that of the other,
// seed by seed.
func Example() {
	differences := []float64{0.021, 0.034, 0.012, 0.027, 0.040, 0.018, 0.025}
	p := experiments.SignFlip(differences)
	low, high := experiments.Interval(differences, 0.95)
	fmt.Printf("p %.4f, the smallest that %d pairs can give\n", p, len(differences))
	fmt.Printf("95 %% of such intervals hold the true difference: %.4f to %.4f\n", low, high)
	fmt.Printf("beside two other comparisons, of p 0.03 and 0.5: %.3f\n", experiments.Holm([]float64{p, 0.03, 0.5}))
	fmt.Printf("three comparisons at 0.05 take %d seeds or more\n", experiments.SeedsFor(0.05, 3))
	// Output:
	// p 0.0156, the smallest that 7 pairs can give
	// 95 % of such intervals hold the true difference: 0.0165 to 0.0341
	// beside two other comparisons, of p 0.03 and 0.5: [0.047 0.060 0.500]
	// three comparisons at 0.05 take 7 seeds or more
}
