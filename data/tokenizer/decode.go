package tokenizer

// Decoding. A file's decoders run over a list of tokens; what they do to one
// token alone is done once, when the file is read, and only what depends on the
// place in the text is left for later.

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ends is what a decoder does at the ends of a text.
type ends struct {
	first map[int32]string // Metaspace: tokens that differ when they come first
	strip string           // Strip: a character of which up to
	start int              // this many are cut off the beginning
	stop  int              // and this many off the end
}

// Decode returns the bytes that ids stand for: unchanged, so that it is the
// inverse of Encode at the byte level, valid UTF-8 or not. Special tokens are
// written by name. A file's decoders have their say, and may, as Llama 2's, take
// the space from the beginning that encoding put there.
func (t *Tokenizer) Decode(ids []int32) string { return t.decode(ids, true) }

// DecodeText is Decode without the special tokens.
func (t *Tokenizer) DecodeText(ids []int32) string { return t.decode(ids, false) }

func (t *Tokenizer) decode(ids []int32, special bool) string {
	var w strings.Builder
	s := t.NewStream()
	for _, id := range ids {
		if special || !t.IsSpecial(id) {
			w.WriteString(s.take(id))
		}
	}
	text := w.String()
	for n := 0; n < t.ends.stop && strings.HasSuffix(text, t.ends.strip); n++ {
		text = text[:len(text)-len(t.ends.strip)]
	}
	return text
}

// Token returns the bytes that id stands for within a text, which may be part of
// a rune; a special token gives its name, an id outside the vocabulary U+FFFD.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.tokens) {
		return unknown
	}
	return t.tokens[id]
}

// readDecoder fills tokens and ends: it takes every name through the decoders.
func (t *Tokenizer) readDecoder(f *file, names []string) error {
	if f.Decoder == nil {
		return refuse("decoder", "is missing")
	}
	t.tokens = names
	added := make(map[int32]bool, len(f.AddedTokens))
	for _, a := range f.AddedTokens {
		added[a.ID] = true
		if a.Normalized { // found as the normalizer spells it, and decoded from that
			t.tokens[a.ID] = t.normalize(a.Content)
		}
	}
	// fused: the tokens are one string from here on. bytes: some are single
	// bytes, which the reference joins before later decoders see them.
	fused, bytes := false, false
	for _, p := range flat(f.Decoder, func(p *part) []part { return p.Decoders }) {
		late := func() error {
			return refuse("decoder", fmt.Sprintf("%q after ByteLevel, ByteFallback or Fuse", p.Type))
		}
		switch p.Type {
		case "Fuse":
			fused = true
		case "ByteLevel":
			if fused || bytes {
				return late()
			}
			fused = true
			for id, name := range t.tokens {
				// An added token is text as it stands, even if all its
				// characters are in the alphabet by chance.
				if raw, ok := fromAlphabet(name); ok && !added[int32(id)] {
					t.tokens[id] = raw
				}
			}
		case "ByteFallback":
			if fused {
				return late()
			}
			bytes = true
			for id, name := range t.tokens {
				if b, ok := byteToken(name); ok {
					t.tokens[id] = string([]byte{b})
				}
			}
		case "Replace":
			replace, err := newReplace("decoder", p)
			if err != nil {
				return err
			}
			if fused || bytes {
				return late()
			}
			for id, name := range t.tokens {
				t.tokens[id] = replace(name)
			}
		case "Metaspace":
			if fused || bytes || t.ends.first != nil {
				return late()
			}
			if err := t.readMetaspaceDecoder(p); err != nil {
				return err
			}
		case "Strip":
			if utf8.RuneCountInString(p.Content) != 1 || p.Start < 0 || p.Stop < 0 {
				return refuse("decoder", fmt.Sprintf("Strip of %q, %d and %d times", p.Content, p.Start, p.Stop))
			}
			if !fused || t.ends.strip != "" {
				return refuse("decoder", "Strip not once after Fuse")
			}
			t.ends.strip, t.ends.start, t.ends.stop = p.Content, p.Start, p.Stop
		default:
			return refuse("decoder", fmt.Sprintf("%q", p.Type))
		}
	}
	return nil
}

// readMetaspaceDecoder writes marks as spaces, but for those in the first token
// of a text, which are left out unless prepend_scheme is never.
func (t *Tokenizer) readMetaspaceDecoder(p *part) error {
	m, err := newMetaspace("decoder", p)
	if err != nil {
		return err
	}
	t.ends.first = map[int32]string{}
	for id, name := range t.tokens {
		if strings.Contains(name, m.mark) {
			if m.always || m.atStart {
				t.ends.first[int32(id)] = strings.ReplaceAll(name, m.mark, "")
			}
			t.tokens[id] = strings.ReplaceAll(name, m.mark, " ")
		}
	}
	return nil
}

// byteToken reads <0x00> to <0xFF>.
func byteToken(name string) (byte, bool) {
	if len(name) != 6 || !strings.HasPrefix(name, "<0x") || name[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(name[3:5], 16, 8)
	return byte(b), err == nil
}

func isByteToken(name string) bool {
	_, is := byteToken(name)
	return is
}
