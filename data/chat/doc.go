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
// lstrip_blocks) and functions (raise_exception, tojson as Python writes it). Where
// it and Python differ in what templates use, this package does as Python (null is
// none, lists are indexed from the end, mappings keep their order) or refuses: a
// list, a mapping or null that would become text, which Python writes as [{'type':
// and None; tojson of a content with several keys, whose order is not kept;
// strftime_now, which does not exist, because training text must not depend on the
// day (templates test for it). It is known to differ in these: an undefined name
// "is none"; none is written as nothing; an index into a string counts bytes; upper
// and lower map rune to rune; // and ** of numbers are Go's.
//
// A template is code from elsewhere: it can read nothing but its arguments, and a
// panic in it is an error.
package chat
