package tokenizer

// Which of the known kinds a file describes, for [Tokenizer.Describe].

import (
	"slices"
	"strings"
)

func (f *file) kind(byteLevel bool) Kind {
	switch {
	case byteLevel:
		return ByteLevelBPE
	case f.Model.ByteFallback && f.marksSpaces():
		return SentencePieceBPE
	}
	return OtherBPE
}

// marksSpaces reports whether spaces are written ▁ somewhere.
func (f *file) marksSpaces() bool {
	return slices.ContainsFunc(f.normalizers(), isSpaceReplace) ||
		slices.ContainsFunc(f.preTokenizers(), func(p *part) bool { return p.Type == "Metaspace" && p.Replacement == sentencePieceSpace })
}

func isSpaceReplace(p *part) bool {
	return p.Type == "Replace" && p.Pattern.String != nil && *p.Pattern.String == " " && p.Content == sentencePieceSpace
}

func isSpacePrepend(p *part) bool { return p.Type == "Prepend" && p.Prepend == sentencePieceSpace }

func (f *file) spacePrefix() bool {
	return slices.ContainsFunc(f.normalizers(), isSpacePrepend) || slices.ContainsFunc(f.preTokenizers(), func(p *part) bool {
		if p.Type == "Metaspace" {
			m, err := newMetaspace("pre_tokenizer", p)
			return err == nil && (m.always || m.atStart)
		}
		return p.Type == "ByteLevel" && p.AddPrefixSpace != nil && *p.AddPrefixSpace
	})
}

func (f *file) normalizerNames() string {
	var names []string
	for _, p := range f.normalizers() {
		if !isSpaceReplace(p) && !isSpacePrepend(p) {
			names = append(names, p.Type)
		}
	}
	return strings.Join(names, ",")
}

// split recognises the pre-tokenizers of the families.
func (f *file) split() Split {
	steps := f.preTokenizers()
	if len(steps) == 0 {
		return SplitNone
	}
	last := steps[len(steps)-1]
	if last.Type == "Metaspace" && len(steps) == 1 {
		return SplitNone
	}
	if last.Type != "ByteLevel" {
		return SplitOther
	}
	regex := last.UseRegex == nil || *last.UseRegex
	switch {
	case len(steps) == 1 && regex:
		return SplitGPT2
	case len(steps) == 1:
		return SplitNone
	case len(steps) != 2:
		return SplitOther
	}
	p := steps[0]
	switch {
	case regex && p.Type == "Digits" && p.IndividualDigits:
		return SplitDigitsGPT2
	case regex || p.Type != "Split" || p.Pattern.Regex == nil || !p.isolates():
		return SplitOther
	}
	switch *p.Pattern.Regex {
	case PatternGPT2:
		return SplitGPT2
	case PatternLlama3:
		return SplitLlama3
	case PatternQwen2:
		return SplitQwen2
	case PatternO200K:
		return SplitO200K
	case PatternTekken:
		return SplitTekken
	}
	return SplitOther
}

func (f *file) types(names []string, unk int32) []TokenType {
	types := make([]TokenType, len(names))
	for id, name := range names {
		switch _, isByte := byteToken(name); {
		case name == "":
			types[id] = UnusedToken
		case isByte && f.Model.ByteFallback:
			types[id] = ByteToken
		default:
			types[id] = NormalToken
		}
	}
	for _, a := range f.AddedTokens {
		types[a.ID] = UserToken
		if a.Special {
			types[a.ID] = ControlToken
		}
	}
	if unk >= 0 {
		types[unk] = UnknownToken
	}
	return types
}

// scores gives the tokens of earlier merges the higher scores.
func (t *Tokenizer) scores(types []TokenType) []float32 {
	scores := make([]float32, len(types))
	for id, typ := range types {
		if typ == NormalToken {
			scores[id] = -float32(len(t.ranked)) // runes, which nothing makes
		}
	}
	for rank, id := range slices.Backward(t.merged) {
		scores[id] = -float32(rank)
	}
	return scores
}

// scoresDecide looks for a way to make a normal token that the list lacks, and
// for a token made both before and after another.
func (f *file) scoresDecide(names []string, types []TokenType) bool {
	listed := make(map[mergeEntry]bool, len(f.Model.Merges))
	made, before := map[string]bool{}, ""
	for _, m := range f.Model.Merges {
		whole := m[0] + m[1]
		if whole != before && made[whole] {
			return false
		}
		made[whole], before, listed[m] = true, whole, true
	}
	for id, name := range names {
		for i := range name {
			_, left := f.Model.Vocab[name[:i]]
			_, right := f.Model.Vocab[name[i:]]
			if types[id] == NormalToken && i > 0 && left && right && !listed[mergeEntry{name[:i], name[i:]}] {
				return false
			}
		}
	}
	return true
}
