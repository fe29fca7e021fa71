package distill

import (
	"context"
	"strings"

	"stillhouse/data/chat"
	"stillhouse/layers"
)

// A Conversation is a talk with a model, in the form that its chat template gives
// it. What was said before is not read again, as long as the template leaves it
// as it was.
type Conversation struct {
	speaker  *Speaker
	template *chat.Template
	system   string
	messages []chat.Message
}

// NewConversation begins a talk; system, if not "", comes before all else. The
// error says why the model cannot have one.
func NewConversation(p *layers.Pool, l *Loaded, system string) (*Conversation, error) {
	t, err := chatOf(l)
	if err != nil {
		return nil, err
	}
	c := &Conversation{speaker: NewSpeaker(p, l), template: t, system: system}
	c.Reset()
	return c, nil
}

// Reset forgets what was said.
func (c *Conversation) Reset() {
	c.messages = nil
	if c.system != "" {
		c.messages = []chat.Message{chat.Say("system", c.system)}
	}
}

// Messages returns what was said so far, the system's part included.
func (c *Conversation) Messages() []chat.Message { return c.messages }

// Ask says something and gives the answer to emit as it comes, without spaces and
// line breaks around it. After an error, the question counts as not asked; an
// answer that ctx breaks off stays as far as it went.
func (c *Conversation) Ask(ctx context.Context, text string, limit int, how Sampling, emit func(text string) error) (Generation, error) {
	asked := append(c.messages[:len(c.messages):len(c.messages)], chat.Say("user", text))
	prompt, err := c.template.Render(asked, true)
	if err != nil {
		return Generation{}, err
	}
	ids := c.speaker.model.Tokenizer.EncodeSpecial(prompt)
	begun, space := false, ""
	g, err := c.speaker.Say(ctx, ids, limit, how, func(t string) error {
		if !begun {
			t = strings.TrimLeft(t, " \t\r\n")
		}
		// Space is shown when something follows it.
		t = space + t
		shown := strings.TrimRight(t, " \t\r\n")
		space = t[len(shown):]
		if shown == "" {
			return nil
		}
		begun = true
		return emit(shown)
	})
	g.Text = strings.TrimSpace(g.Text)
	if err == nil || ctx.Err() != nil && g.Text != "" {
		c.messages = append(asked, chat.Say("assistant", g.Text))
	}
	return g, err
}
