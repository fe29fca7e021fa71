package tasks_test

import (
	"fmt"

	"stillhouse/data/tasks"
)

func Example() {
	task, err := tasks.New("arithmetic", map[string]int{"max_steps": 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, item := range tasks.Items(task, tasks.Validation, 0, 2) {
		fmt.Printf("%s → %q, graded %v and %v\n", item.Prompt, item.Completion, item.Grade(item.Completion), item.Grade("#0\n"))
	}
	// Output:
	// 39+1-7? → "39+1=40;40-7=33#33\n", graded true and false
	// 93-5-16? → "93-5=88;88-16=72#72\n", graded true and false
}
