package tokenizer

// What another program's file format must know of a tokenizer to encode as it
// does: GGUF, for one, has no pipeline but a few named kinds of one.

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
