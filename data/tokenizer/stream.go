package tokenizer

import "unicode/utf8"

// A Stream decodes token by token for a reader who watches: a rune whose bytes
// are spread over tokens is held back until it is whole. What it returns, with
// [Stream.Flush] at the end, joins to exactly what Decode gives.
type Stream struct {
	tok  *Tokenizer
	held []byte // the beginning of a rune, at most 3 bytes
}

// NewStream returns an empty Stream.
func (t *Tokenizer) NewStream() *Stream { return &Stream{tok: t} }

// Next takes one token and returns what can be shown now, perhaps nothing.
func (s *Stream) Next(id int32) string {
	s.held = append(s.held, s.tok.Token(id)...)
	keep := partialRune(s.held)
	text := string(s.held[:len(s.held)-keep])
	s.held = append(s.held[:0], s.held[len(s.held)-keep:]...)
	return text
}

// Flush returns what is held back, bytes of an unfinished rune, and forgets it.
func (s *Stream) Flush() string {
	text := string(s.held)
	s.held = s.held[:0]
	return text
}

// partialRune returns how many bytes at the end of b begin a rune that more
// bytes could complete.
func partialRune(b []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(b); n++ {
		if tail := b[len(b)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
