package distill_test

import (
	"fmt"

	"stillhouse/distill"
	"stillhouse/distill/importance"
)

// Six scored layers, of which the first is kept, become Mamba in two stages.
func Example() {
	scores := importance.Scores{Layers: []importance.Score{
		{Layer: 1, Value: 0.40}, {Layer: 2, Value: 0.02}, {Layer: 3, Value: 0.90}, {Layer: 4, Value: 0.07}, {Layer: 5, Value: 0.11},
	}}
	plan, err := distill.MakePlan(distill.PlanForm{Counts: []int{2, 4}}, 6, scores.Order(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range plan.Stages {
		fmt.Printf("stage %d replaces %v  %s\n", s.Index, s.Replace, s.Strip(plan.Layers))
	}
	// Output:
	// stage 1 replaces [2 4]  AAMAMA
	// stage 2 replaces [1 5]  AMMAMM
}
