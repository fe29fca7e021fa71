package recipes_test

import (
	"fmt"

	"stillhouse/recipes"
)

func Example() {
	text := []byte(`extends: quickstart
name: mine
plan: {mamba_layers: [1, 2]}
train: {learning_rat: 3e-4}
`)
	_, err := recipes.Parse("mine.yaml", text, nil, nil)
	fmt.Println(err)

	text = []byte("extends: quickstart\nname: mine\nplan: {mamba_layers: [1, 2]}\n")
	r, err := recipes.Parse("mine.yaml", text, []string{"phases.0.max_tokens=50k", "train.learning_rate=1e-4"}, nil)
	if err != nil {
		panic(err)
	}
	for _, p := range r.StagePhases(1) {
		fmt.Println(p.Name, p.Train.LearningRate)
	}
	o, _ := r.Origin("phases.0.max_tokens")
	fmt.Println(r.Phases[0].MaxTokens, o)
	// Output:
	// mine.yaml:4:9: unknown key "learning_rat" in train
	//     4 | train: {learning_rat: 3e-4}
	//       |         ^
	//   hint: did you mean learning_rate?
	// 1 problem
	// mixers 0.002
	// all 0.0001
	// 50k --set phases.0.max_tokens=50k
}
