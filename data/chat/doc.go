// Package chat turns conversations into the text that a model was trained on, by
// the Jinja template that comes with its tokenizer.
//
// There are three types here: [Message], a turn as JSON gives it; [Template],
// a parsed template with the names of the model's special tokens; and
// [Segment], a piece of a rendered conversation that one side wrote.
//
//	source of the template ─► Parse ─► Template
//	[]Message ─► Template.Render     the text, perhaps with the assistant's turn begun
//	          ─► Template.Segments   the same text in pieces, those of the assistant marked
//
// Which bytes the assistant wrote is read off the template itself. Where it has
// {% generation %} blocks, they say so. Elsewhere the conversation is rendered up
// to each turn: what rendering a turn adds to the text that asks for it is the
// turn. That is right only if a longer conversation begins with the text of the
// shorter one. Each time this is checked, and [ErrPrefix] is returned if not, as
// for templates that drop the reasoning of earlier turns.
//
// Templates are rendered by gonja with transformers' settings (trim_blocks,
// lstrip_blocks) and functions (raise_exception, tojson as Python writes it). What
// differs from Python, or may, is an error or stands here: tojson of a mapping
// with several keys is refused, because their order is not kept; strftime_now does
// not exist, because training text must not depend on the day (templates test for
// it); indexing a string counts bytes.
//
// A template is code from elsewhere: it can read nothing but its arguments, and a
// panic in it is an error.
package chat
