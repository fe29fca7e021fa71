package chat_test

import (
	"fmt"

	"stillhouse/data/chat"
)

func Example() {
	t, err := chat.Parse("{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}", "<s>", "</s>")
	if err != nil {
		fmt.Println(err)
		return
	}
	segments, err := t.Segments([]chat.Message{chat.Say("user", "2+2?"), chat.Say("assistant", "4")}, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range segments {
		fmt.Printf("%-5v %q\n", s.Assistant, s.Text)
	}
	// Output:
	// false "<user>2+2?</s><assistant>"
	// true  "4</s>"
}
