package tokenizer

// From the parts that a file names to stages.

import (
	"fmt"
	"strings"
	"unicode"
)

// readPipeline fills norm, stages and byteLevel.
func (t *Tokenizer) readPipeline(f *file) error {
	var err error
	if t.norm, err = newNormalizer(f.Normalizer); err != nil {
		return err
	}
	for i, p := range f.preTokenizers() {
		if t.byteLevel {
			return refuse("pre_tokenizer", fmt.Sprintf("%q after ByteLevel, at place %d", p.Type, i))
		}
		if err := t.readStage(p); err != nil {
			return err
		}
	}
	return nil
}

// flat returns the steps of a Sequence, of Sequences in it too, in order; nil has
// none.
func flat(p *part, steps func(*part) []part) []*part {
	if p == nil {
		return nil
	}
	if p.Type != "Sequence" {
		return []*part{p}
	}
	var all []*part
	inner := steps(p)
	for i := range inner {
		all = append(all, flat(&inner[i], steps)...)
	}
	return all
}

// readStage is the one place where a pre-tokenizer becomes stages.
func (t *Tokenizer) readStage(p *part) error {
	split := func(find finder, b behavior) { t.stages = append(t.stages, &splitStage{find: find, what: b}) }
	switch p.Type {
	case "ByteLevel":
		t.byteLevel = true
		if p.AddPrefixSpace != nil && *p.AddPrefixSpace {
			t.stages = append(t.stages, spaceStage{})
		}
		if p.UseRegex == nil || *p.UseRegex {
			t.stages = append(t.stages, scanStage(chooseScanner(PatternGPT2)))
		}
	case "Split":
		return t.readSplit(p)
	case "Metaspace":
		return t.readMetaspace(p)
	case "Digits":
		if p.IndividualDigits {
			split(runesThat(unicode.IsNumber), isolated)
		} else {
			split(runesThat(unicode.IsNumber), contiguous)
		}
	case "Punctuation":
		b := p.Behavior
		if b == "" {
			b = isolated
		}
		if !b.known() {
			return refuse("pre_tokenizer", fmt.Sprintf("Punctuation with behavior %q", b))
		}
		split(runesThat(isPunctuation), b)
	case "WhitespaceSplit":
		split(runesThat(unicode.IsSpace), removed)
	case "Whitespace":
		t.stages = append(t.stages, &splitStage{find: wordRuns, what: removed, invert: true})
	default:
		return refuse("pre_tokenizer", fmt.Sprintf("%q", p.Type))
	}
	return nil
}

func (t *Tokenizer) readSplit(p *part) error {
	if !p.Behavior.known() {
		return refuse("pre_tokenizer", fmt.Sprintf("Split with behavior %q", p.Behavior))
	}
	s := &splitStage{what: p.Behavior, invert: p.Invert}
	switch {
	case p.Pattern.String != nil && *p.Pattern.String != "":
		s.find = literal(*p.Pattern.String)
	case p.Pattern.Regex != nil:
		// The scanners' patterns match everywhere, so nothing is left between
		// two matches: to isolate them is to keep them and remove the rest.
		if p.isolates() {
			if scan := chooseScanner(*p.Pattern.Regex); scan != nil {
				t.stages = append(t.stages, scanStage(scan))
				return nil
			}
		}
		find, err := newRegex(*p.Pattern.Regex)
		if err != nil {
			return refuse("pre_tokenizer", "Split: "+err.Error())
		}
		s.find = find
	default:
		return refuse("pre_tokenizer", "Split without a pattern")
	}
	t.stages = append(t.stages, s)
	return nil
}

// isolates reports whether every match of a Split becomes a piece; what becomes of
// the text between is left open.
func (p *part) isolates() bool {
	return p.Behavior == isolated || p.Behavior == removed && p.Invert
}

func (t *Tokenizer) readMetaspace(p *part) error {
	m, err := newMetaspace("pre_tokenizer", p)
	if err != nil {
		return err
	}
	t.stages = append(t.stages, m)
	if p.Split == nil || *p.Split {
		t.stages = append(t.stages, markStage{mark: m.mark})
	}
	return nil
}

// newMetaspace is Metaspace, of pre-tokenizers and of decoders.
func newMetaspace(where string, p *part) (metaspace, error) {
	m := metaspace{mark: p.Replacement}
	if len([]rune(m.mark)) != 1 {
		return m, refuse(where, fmt.Sprintf("Metaspace with replacement %q", m.mark))
	}
	scheme := p.PrependScheme
	if p.AddPrefixSpace != nil && !*p.AddPrefixSpace { // older files
		if scheme != "" && scheme != "never" {
			return m, refuse(where, fmt.Sprintf("Metaspace with prepend_scheme %q and add_prefix_space false", scheme))
		}
		scheme = "never"
	}
	switch scheme {
	case "", "always":
		m.always = true
	case "first":
		m.atStart = true
	case "never":
	default:
		return m, refuse(where, fmt.Sprintf("Metaspace with prepend_scheme %q", scheme))
	}
	return m, nil
}

// sentencePieceSpace stands for a space in the vocabularies of SentencePiece.
const sentencePieceSpace = "▁"

// cutAtMarks adds a stage to rune-level tokenizers that would otherwise merge in
// the whole text at once, as Llama 2's does. It cuts before each run of ▁ where
// no merge reaches from another character into a ▁, so that the tokens stay the
// same; words can then be remembered, and merging stays in the processor's cache.
func (t *Tokenizer) cutAtMarks(m *model) {
	if _, ok := m.Vocab[sentencePieceSpace]; !ok || t.byteLevel || m.IgnoreMerges {
		return
	}
	for _, e := range m.Merges {
		if strings.HasPrefix(e[1], sentencePieceSpace) && !strings.HasSuffix(e[0], sentencePieceSpace) {
			return
		}
	}
	t.stages = append(t.stages, markStage{mark: sentencePieceSpace, runs: true})
}

// readTemplate fills before and after.
func (t *Tokenizer) readTemplate(p *part) error {
	found := false
	for _, p := range flat(p, func(p *part) []part { return p.Processors }) {
		switch {
		case p.Type == "ByteLevel": // only moves offsets
		case p.Type == "TemplateProcessing" && !found:
			found = true
			if err := t.readItems(p); err != nil {
				return err
			}
		default:
			return refuse("post_processor", fmt.Sprintf("%q", p.Type))
		}
	}
	return nil
}

func (t *Tokenizer) readItems(p *part) error {
	text := false
	for _, item := range p.Single {
		switch {
		case item.SpecialToken != nil:
			name := item.SpecialToken.ID
			s, ok := p.SpecialTokens[name]
			if !ok {
				return fmt.Errorf("post_processor: the template names %q, which special_tokens lacks", name)
			}
			for _, id := range s.IDs {
				if id < 0 || int(id) >= len(t.tokens) {
					return fmt.Errorf("post_processor: %q has id %d in a vocabulary of %d", name, id, len(t.tokens))
				}
			}
			if text {
				t.after = append(t.after, s.IDs...)
			} else {
				t.before = append(t.before, s.IDs...)
			}
		case item.Sequence != nil && item.Sequence.ID == "A" && !text:
			text = true
		default:
			return refuse("post_processor", "TemplateProcessing whose single is not one text between special tokens")
		}
	}
	if !text {
		return refuse("post_processor", "TemplateProcessing whose single has no text")
	}
	return nil
}
