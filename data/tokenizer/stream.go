package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// A Stream decodes token by token for a reader who watches: a rune whose bytes
// are spread over tokens is held back until it is whole. What it returns, with
// [Stream.Flush] at the end, joins to exactly what Decode gives.
type Stream struct {
	tok      *Tokenizer
	held     []byte // the beginning of a rune, at most 3 bytes, or what the end may strip
	began    bool   // a token was taken
	stripped int    // characters cut off the beginning; -1: no more will be
}

// NewStream returns an empty Stream.
func (t *Tokenizer) NewStream() *Stream { return &Stream{tok: t} }

// Next takes one token and returns what can be shown now, perhaps nothing.
func (s *Stream) Next(id int32) string {
	s.held = append(s.held, s.take(id)...)
	show := len(s.held) - partialRune(s.held)
	strip := s.tok.ends.strip
	for n := 0; n < s.tok.ends.stop && strings.HasSuffix(string(s.held[:show]), strip); n++ {
		show -= len(strip)
	}
	text := string(s.held[:show])
	s.held = append(s.held[:0], s.held[show:]...)
	return text
}

// Flush returns what is held back, bytes of an unfinished rune, and begins anew.
func (s *Stream) Flush() string {
	text := string(s.held)
	for n := 0; n < s.tok.ends.stop && strings.HasSuffix(text, s.tok.ends.strip); n++ {
		text = text[:len(text)-len(s.tok.ends.strip)]
	}
	s.held, s.began, s.stripped = s.held[:0], false, 0
	return text
}

// take returns the bytes of the next token, with what the decoder does at the
// beginning of a text.
func (s *Stream) take(id int32) string {
	text := s.tok.Token(id)
	e := &s.tok.ends
	if !s.began {
		s.began = true
		if first, ok := e.first[id]; ok {
			text = first
		}
	}
	for text != "" && s.stripped >= 0 {
		if s.stripped == e.start || !strings.HasPrefix(text, e.strip) {
			s.stripped = -1
			break
		}
		text = text[len(e.strip):]
		s.stripped++
	}
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
