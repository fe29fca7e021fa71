package tokenizer

// What another program's file format must know of a tokenizer to encode as it
// does: GGUF, for one, has no pipeline but a few named kinds of one.

import (
	"slices"
	"strings"
)

// Kind is the algorithm.
type Kind string

const (
	ByteLevelBPE     Kind = "byte-level"    // symbols are bytes, spelled in GPT-2's alphabet; GGUF's "gpt2"
	SentencePieceBPE Kind = "sentencepiece" // symbols are runes, spaces are ▁, bytes to fall back on; GGUF's "llama"
	OtherBPE         Kind = "other"         // neither
)

// Split is how a byte-level tokenizer cuts text before it merges.
type Split string

const (
	SplitNone       Split = "none" // not at all, or at ▁ alone
	SplitGPT2       Split = "gpt2"
	SplitLlama3     Split = "llama3" // cl100k too
	SplitQwen2      Split = "qwen2"
	SplitO200K      Split = "o200k"
	SplitTekken     Split = "tekken"
	SplitDigitsGPT2 Split = "digits+gpt2" // each digit, then as GPT-2: StarCoder, SmolLM
	SplitOther      Split = "other"       // among them Pattern
)

// TokenType is what a token is for; the numbers are GGUF's.
type TokenType int32

const (
	NormalToken  TokenType = 1
	UnknownToken TokenType = 2
	ControlToken TokenType = 3 // added and special: no part of the text
	UserToken    TokenType = 4 // added, found in the text as it stands
	UnusedToken  TokenType = 5 // a gap among the ids
	ByteToken    TokenType = 6 // <0x00> to <0xFF>, to fall back on
)

// A Description is a tokenizer in the terms of others.
type Description struct {
	Kind  Kind
	Split Split

	Tokens []string    // [V] as the file spells them; "" of type UnusedToken is a gap
	Types  []TokenType // [V]
	Merges []string    // "left right" in order of rank, in the spelling of Tokens
	// Scores [V] are those by which SentencePiece merges: minus the rank of the
	// first merge that makes the token, below them all where none does. nil
	// unless Kind is SentencePieceBPE.
	Scores []float32
	// ScoresDecide says that merging any two neighbours that make a token, by its
	// score, is merging by the list: that the list has every way to make each
	// normal token, in the order of tokens. Where two ways to make one token
	// overlap ("aa"+"a", "a"+"aa"), by score the left one is taken.
	ScoresDecide bool

	BOS, EOS, Pad, Unk int32 // ids, or -1
	AddBOS, AddEOS     bool  // around a text, by the post-processor or the configuration
	AddSpacePrefix     bool  // before a text
	IgnoreMerges       bool  // a pre-token that is a token is not merged
	// Normalizer names what is done to text before it is cut, but for writing
	// spaces as ▁: "" (nothing), "NFC", "NFKC,Lowercase" and so on.
	Normalizer   string
	ChatTemplate string // Jinja; "" if there is none
}

// Describe describes the tokenizer and what the folder says of it.
func (f *Folder) Describe() Description {
	d := f.Tokenizer.Describe()
	for _, s := range []struct{ said, id *int32 }{{&f.BOS, &d.BOS}, {&f.EOS, &d.EOS}, {&f.Pad, &d.Pad}, {&f.Unk, &d.Unk}} {
		if *s.said >= 0 {
			*s.id = *s.said
		}
	}
	before, after := f.Tokenizer.before, f.Tokenizer.after
	d.AddBOS = f.AddBOS || len(before) == 1 && before[0] == d.BOS
	d.AddEOS = f.AddEOS || len(after) == 1 && after[0] == d.EOS
	d.ChatTemplate = f.ChatTemplate
	return d
}

// Describe describes the tokenizer alone. Which tokens begin and end a text is
// then known only from its post-processor, or from the names [Train] gives.
func (t *Tokenizer) Describe() Description {
	f, err := parseFile(t.JSON())
	if err != nil {
		panic("tokenizer: Describe: the file was read before: " + err.Error())
	}
	d := Description{Kind: f.kind(t.byteLevel), Split: f.split(), BOS: -1, EOS: -1, Pad: -1, Unk: t.unk, IgnoreMerges: f.Model.IgnoreMerges}
	d.AddSpacePrefix, d.Normalizer = f.spacePrefix(), f.normalizerNames()
	if d.Tokens, err = f.names(); err != nil {
		panic("tokenizer: Describe: the file was read before: " + err.Error())
	}
	d.Types = f.types(d.Tokens, t.unk)
	for _, m := range f.Model.Merges {
		d.Merges = append(d.Merges, m[0]+" "+m[1])
	}
	if d.Kind == SentencePieceBPE {
		d.Scores, d.ScoresDecide = t.scores(d.Types), f.scoresDecide(d.Tokens, d.Types)
	}
	for _, s := range []struct {
		around []int32
		name   string
		id     *int32
		add    *bool
	}{{t.before, BOS, &d.BOS, &d.AddBOS}, {t.after, EOS, &d.EOS, &d.AddEOS}, {nil, Pad, &d.Pad, new(bool)}} {
		if len(s.around) == 1 {
			*s.id, *s.add = s.around[0], true
		} else if id, ok := t.Special(s.name); ok {
			*s.id = id
		}
	}
	return d
}

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
