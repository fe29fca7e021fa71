package export

import (
	"fmt"

	"stillhouse/checkpoints/gguf"
	"stillhouse/data/tokenizer"
)

// cuts are llama.cpp's names for how a byte-level tokenizer cuts text before it
// merges; a tokenizer.json has a regular expression there, a GGUF a word.
var cuts = map[tokenizer.Split]string{
	tokenizer.SplitGPT2:       "gpt-2",
	tokenizer.SplitLlama3:     "llama-bpe",
	tokenizer.SplitQwen2:      "qwen2",
	tokenizer.SplitO200K:      "gpt-4o",
	tokenizer.SplitTekken:     "tekken",
	tokenizer.SplitDigitsGPT2: "smollm",
}

// tokenizerKeys returns the keys that say how text becomes tokens, and a note for
// each respect in which llama.cpp will do it otherwise: the ids are then others,
// the text and what the model computes from ids are the same. nil describes a
// model without tokenizer.
func tokenizerKeys(d *tokenizer.Description, vocab int) (meta []gguf.KV, notes []string, err error) {
	set := func(key string, v any) { meta = append(meta, gguf.KV{Key: "tokenizer." + key, Value: v}) }
	if d == nil || d.Kind == tokenizer.OtherBPE {
		set("ggml.model", "none")
		return meta, []string{"The file has no tokenizer that llama.cpp knows: it takes token ids only."}, nil
	}
	if len(d.Tokens) > vocab {
		return nil, nil, fmt.Errorf("the tokenizer has %d tokens and the model %d (hint: tokenizer.json must be the model's own)", len(d.Tokens), vocab)
	}
	tokens, types := make([]string, vocab), make([]int32, vocab)
	for i := range tokens {
		tokens[i], types[i] = fmt.Sprintf("[PAD%d]", i), int32(tokenizer.UnusedToken)
		if i < len(d.Tokens) && d.Types[i] != tokenizer.UnusedToken {
			tokens[i], types[i] = d.Tokens[i], int32(d.Types[i])
		}
	}
	if d.Kind == tokenizer.ByteLevelBPE {
		cut := cuts[d.Split]
		switch {
		case cut == "":
			cut = "superbpe" // the nearest to our own Pattern: of a hundred chunks each, Go source 61, prose 98 to 100 give the same ids
			notes = append(notes, "llama.cpp has no name for how this tokenizer cuts text and cuts it its own way; ids from another tokenizer (stillhouse tokenize) are taken as they are.")
		case cut == "llama-bpe" && !d.IgnoreMerges:
			cut = "smaug-bpe" // the same cut, every token by its merges
		case d.IgnoreMerges != (cut == "llama-bpe" || cut == "tekken"):
			notes = append(notes, "llama.cpp merges a word that is a token where the tokenizer takes it as it is, or the other way round.")
		}
		set("ggml.model", "gpt2")
		set("ggml.pre", cut)
	} else {
		set("ggml.model", "llama")
		set("ggml.pre", "default")
		if !d.ScoresDecide {
			notes = append(notes, "llama.cpp merges by the scores of tokens, this tokenizer by its list of merges, and they do not always agree.")
		}
	}
	if d.Normalizer != "" {
		notes = append(notes, fmt.Sprintf("llama.cpp does not normalise text (%s) as the tokenizer does.", d.Normalizer))
	}
	set("ggml.tokens", tokens)
	set("ggml.token_type", types)
	if d.Kind == tokenizer.ByteLevelBPE {
		set("ggml.merges", append([]string{}, d.Merges...))
	} else {
		set("ggml.scores", append(append([]float32{}, d.Scores...), make([]float32, vocab-len(d.Scores))...))
	}
	for _, id := range []struct {
		key string
		id  int32
	}{{"bos", d.BOS}, {"eos", d.EOS}, {"unknown", d.Unk}, {"padding", d.Pad}} {
		if id.id >= 0 {
			set("ggml."+id.key+"_token_id", uint32(id.id))
		}
	}
	set("ggml.add_bos_token", d.AddBOS)
	set("ggml.add_eos_token", d.AddEOS)
	set("ggml.add_space_prefix", d.AddSpacePrefix)
	if d.ChatTemplate != "" {
		set("chat_template", d.ChatTemplate)
	}
	return meta, notes, nil
}
