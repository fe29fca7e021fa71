package chat

import (
	"errors"
	"fmt"
	"strings"
)

// ErrPrefix means that a template does not show which text a turn is: the text
// of a conversation does not begin with that of its first turns.
var ErrPrefix = errors.New("the turns cannot be told apart in the rendered text")

// Segment is a piece of a rendered conversation.
type Segment struct {
	Text      string
	Assistant bool // the assistant wrote it, end of turn included
	Last      bool // of the assistant's last turn
}

// Segments renders a conversation and says which text is the assistant's. With
// lastOnly only its last turn is looked for. The texts joined are what Render
// gives without a prompt.
func (t *Template) Segments(messages []Message, lastOnly bool) ([]Segment, error) {
	var turns []int
	for i, m := range messages {
		if m.Role() == assistant {
			turns = append(turns, i)
		}
	}
	if len(turns) == 0 {
		return nil, fmt.Errorf("no message of role %s: there is nothing to learn", assistant)
	}
	if t.marked {
		return t.marks(messages, lastOnly)
	}
	whole, err := t.Render(messages, false)
	if err != nil {
		return nil, err
	}
	if lastOnly {
		turns = turns[len(turns)-1:]
	}
	var out []Segment
	at := 0
	for n, i := range turns {
		from, to, err := t.turn(whole, messages, i)
		if err != nil {
			return nil, err
		}
		if from < at {
			return nil, prefixError(i, whole[from:at], "the turn before it")
		}
		out = appendSegment(out, Segment{Text: whole[at:from]})
		out = appendSegment(out, Segment{Text: whole[from:to], Assistant: true, Last: n == len(turns)-1})
		at = to
	}
	return appendSegment(out, Segment{Text: whole[at:]}), nil
}

// turn returns where in the whole text turn i stands: after what asks for it, up
// to and with what ends it.
func (t *Template) turn(whole string, messages []Message, i int) (from, to int, err error) {
	before, err := t.Render(messages[:i], true)
	if err != nil {
		return 0, 0, fmt.Errorf("turns before message %d: %w", i, err)
	}
	after := whole
	if i < len(messages)-1 {
		if after, err = t.Render(messages[:i+1], false); err != nil {
			return 0, 0, fmt.Errorf("turns up to message %d: %w", i, err)
		}
	}
	for _, part := range []struct{ text, what string }{{before, "what asks for it"}, {after, "the conversation up to it"}} {
		if n := common(whole, part.text); n < len(part.text) {
			return 0, 0, prefixError(i, part.text[n:], part.what)
		}
	}
	if len(after) < len(before) {
		return 0, 0, prefixError(i, before[len(after):], "what asks for it")
	}
	return len(before), len(before) + said(whole[len(before):len(after)], messages[i].Content()), nil
}

// said returns how much of a turn counts: all of it but whitespace after the
// token that ends it, which belongs to the frame of the next turn.
func said(turn, content string) int {
	content = strings.TrimSpace(content)
	i := strings.LastIndex(turn, content)
	if content == "" || i < 0 {
		return len(turn)
	}
	end := i + len(content)
	if strings.TrimSpace(turn[end:]) == "" {
		return len(turn) // whitespace is what ends it
	}
	return end + len(strings.TrimRight(turn[end:], " \t\r\n"))
}

// marks reads {% generation %} blocks.
func (t *Template) marks(messages []Message, lastOnly bool) ([]Segment, error) {
	text, err := t.render(messages, false)
	if err != nil {
		return nil, err
	}
	var out []Segment
	last := -1
	for text != "" {
		before, rest, ok := strings.Cut(text, markBegin)
		out = appendSegment(out, Segment{Text: before})
		if !ok {
			break
		}
		inside, after, ok := strings.Cut(rest, markEnd)
		if !ok || strings.Contains(before, markEnd) || strings.Contains(inside, markBegin) {
			return nil, fmt.Errorf("%w: its generation blocks are not closed in turn", ErrPrefix)
		}
		if inside != "" {
			last = len(out)
			out = append(out, Segment{Text: inside, Assistant: true})
		}
		text = after
	}
	if last < 0 {
		return nil, fmt.Errorf("%w: its generation blocks are empty for this conversation", ErrPrefix)
	}
	out[last].Last = true
	if !lastOnly {
		return out, nil
	}
	merged := make([]Segment, 0, 3)
	for i, s := range out {
		s.Assistant = i == last
		merged = appendSegment(merged, s)
	}
	return merged, nil
}

// appendSegment joins text of the frame to text of the frame.
func appendSegment(list []Segment, s Segment) []Segment {
	if s.Text == "" {
		return list
	}
	if n := len(list); n > 0 && !list[n-1].Assistant && !s.Assistant {
		list[n-1].Text += s.Text
		return list
	}
	return append(list, s)
}

// common returns the length of the longest beginning of both.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

func prefixError(turn int, text, what string) error {
	return fmt.Errorf("%w: message %d: %s ends with %q, which the whole conversation does not have there (hint: this template changes earlier turns; loss_on: completion needs the last turn only, or give the template {%% generation %%} blocks)",
		ErrPrefix, turn, what, text[:min(len(text), 60)])
}
