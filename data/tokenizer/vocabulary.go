package tokenizer

import (
	"fmt"
	"maps"
	"unicode/utf8"
)

// names returns the names of all tokens by id, as the file spells them; a gap has
// none.
func (f *file) names() ([]string, error) {
	vocab := f.Model.Vocab
	largest, count := int32(-1), len(vocab)
	for _, id := range vocab {
		largest = max(largest, id)
	}
	byName := make(map[string]bool, len(f.AddedTokens))
	for _, a := range f.AddedTokens {
		if a.Content == "" || byName[a.Content] {
			return nil, fmt.Errorf("added token %q is empty or listed twice", a.Content)
		}
		byName[a.Content] = true
		if id, ok := vocab[a.Content]; !ok {
			count++
		} else if id != a.ID {
			return nil, fmt.Errorf("added token %q has id %d, but %d in the vocabulary", a.Content, a.ID, id)
		}
		largest = max(largest, a.ID)
	}
	// Some files leave gaps. One with more gaps than tokens is damaged, and
	// could ask for any amount of memory.
	if int(largest) >= 2*count+1024 {
		return nil, fmt.Errorf("id %d in a vocabulary of %d tokens: the gaps are more than the tokens", largest, count)
	}
	if largest >= mostIDs || len(f.Model.Merges) > mostRanks {
		return nil, refuse("model", fmt.Sprintf("with an id of %d and %d merges; at most %d and %d are read", largest, len(f.Model.Merges), mostIDs-1, mostRanks))
	}
	names := make([]string, largest+1)
	put := func(name string, id int32) error {
		if id < 0 {
			return fmt.Errorf("token %q has id %d", name, id)
		}
		if names[id] != "" && names[id] != name {
			return fmt.Errorf("tokens %q and %q share id %d", names[id], name, id)
		}
		names[id] = name
		return nil
	}
	for _, a := range f.AddedTokens {
		if err := put(a.Content, a.ID); err != nil {
			return nil, err
		}
	}
	for name, id := range vocab {
		if name == "" {
			continue // matches nothing, decodes to nothing
		}
		if err := put(name, id); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// readSymbols fills the tables from symbols to tokens.
func (t *Tokenizer) readSymbols(m *model) error {
	t.unk, t.fuseUnk = none, m.FuseUnk
	if m.Unk != nil && *m.Unk != "" {
		id, ok := m.Vocab[*m.Unk]
		if !ok {
			return fmt.Errorf("unk_token %q is not in the vocabulary", *m.Unk)
		}
		t.unk = id
	}
	for i := range t.byteID {
		t.byteID[i], t.fallbackID[i] = none, none
		if id, ok := m.Vocab[fmt.Sprintf("<0x%02X>", i)]; ok && m.ByteFallback {
			t.fallbackID[i] = id
		}
	}
	for i := range t.asciiID {
		t.asciiID[i] = none
	}
	t.runeID = map[rune]int32{}
	for name, id := range m.Vocab {
		r, n := utf8.DecodeRuneInString(name)
		switch {
		case name == "" || n < len(name) || r == utf8.RuneError && n == 1:
		case t.byteLevel:
			if r <= lastAlphabetRune && runeByte[r] >= 0 {
				t.byteID[runeByte[r]] = id
			}
		case r < utf8.RuneSelf:
			t.asciiID[r] = id
		default:
			t.runeID[r] = id
		}
	}
	if t.byteLevel && m.ByteFallback {
		for b, id := range t.byteID {
			if id == none {
				return refuse("model", fmt.Sprintf("uses byte_fallback after ByteLevel, and byte 0x%02x has no token", b))
			}
		}
	}
	if m.IgnoreMerges {
		t.whole = make(map[string]int32, len(m.Vocab))
		for name, id := range m.Vocab {
			if t.byteLevel {
				raw, ok := fromAlphabet(name)
				if !ok {
					continue // no text is spelled so
				}
				name = raw
			}
			t.whole[name] = id
		}
	}
	return nil
}

// readMerges fills ranked and merged.
func (t *Tokenizer) readMerges(m *model) error {
	t.ranked = make([]pair, 0, len(m.Merges))
	t.merged = make([]int32, 0, len(m.Merges))
	for rank, e := range m.Merges {
		var id [3]int32
		for i, name := range [...]string{e[0], e[1], e[0] + e[1]} {
			var ok bool
			if id[i], ok = m.Vocab[name]; !ok || e[0] == "" || e[1] == "" {
				return fmt.Errorf("merge %d (%q, %q): %q is not in the vocabulary", rank, e[0], e[1], name)
			}
		}
		t.ranked = append(t.ranked, pair{id[0], id[1]})
		t.merged = append(t.merged, id[2])
	}
	return nil
}

// forgetWhole leaves in whole only what merging makes something else of.
func (t *Tokenizer) forgetWhole() {
	s := new(scratch)
	maps.DeleteFunc(t.whole, func(text string, id int32) bool {
		ids := t.mergeSymbols(nil, t.symbols(s, text))
		return len(ids) == 1 && ids[0] == id
	})
}
