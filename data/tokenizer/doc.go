// Package tokenizer turns text into token ids and back: byte-pair encoding, as
// published models use it and small enough to be trained in a second.
//
// There are five types here: [Tokenizer], which encodes and decodes;
// [TrainOptions], which says how [Train] makes one from text; [Stream], which
// decodes one token at a time without ever cutting a rune; [Folder], what a model
// folder says of its tokenizer; and [Description], the same in the terms of
// programs that know no pipelines.
//
//	text ─► added tokens ─► normalizer ─► pre-tokenizers ─► merges inside each ─► []int32
//	        "<|eos|>"       NFC, ▁        " func", "1"      lowest rank first, leftmost on a tie
//
// The file is a Hugging Face tokenizer.json. [Load] reads every part of it and
// assumes none: the byte-level families (GPT-2, Llama 3, Qwen 2, StarCoder,
// Mistral's Tekken, o200k), whose symbols are bytes, and those of SentencePiece
// (Llama 2, Mistral, as Prepend and Replace or as Metaspace), whose symbols are
// runes, with tokens for single bytes to fall back on. Known parts are:
//
//	normalizer      NFC NFD NFKC NFKD Lowercase StripAccents Strip Prepend Replace
//	pre_tokenizer   ByteLevel Split Metaspace Digits Punctuation Whitespace WhitespaceSplit
//	model           BPE, with byte_fallback, fuse_unk, unk_token, ignore_merges
//	post_processor  TemplateProcessing ByteLevel
//	decoder         ByteLevel ByteFallback Fuse Strip Replace Metaspace
//
// and Sequences of them. Any other is refused by name ([ErrPipeline]), never
// guessed: a tokenizer that is nearly right trains a model that is quietly wrong.
//
// The split patterns of the families have scanners written by hand, which equal
// the regular expression rune for rune; other patterns go through regexp2.
// [Pattern] is the one of trained tokenizers: a word may take one leading space,
// every digit is a pre-token of its own, punctuation stands apart, and a line's
// end takes the next line's tabs with it, which is what Go code repeats most. What
// the pattern leaves whole, as a clause of Chinese, is cut further where no token
// reaches across, which changes no token and lets words be remembered.
//
// Invariants: at the byte level, Decode(Encode(s)) == s for any bytes, valid
// UTF-8 or not, unless the file normalizes; [Tokenizer.Encode] takes the names of
// special tokens for text, so a document that quotes "<|eos|>" does not end there
// ([Tokenizer.EncodeSpecial] and [Tokenizer.EncodeDocument] are for text that we
// wrote); the same texts and options train the same file, byte for byte; a file
// that was read is saved as it was; a word of n bytes costs O(n log n); a
// Tokenizer may be used by any number of goroutines.
//
// Encode, EncodeSpecial and EncodeDocument give the ids that Hugging Face
// tokenizers 0.23 gives for valid UTF-8. It is known to differ in this: character
// classes are those of Go's Unicode tables (StripAccents and NFKC use older ones
// there); Decode gives bytes that are no UTF-8 as they are, where others write
// U+FFFD, and leaves out special tokens by id, not by how they are spelled; an id
// outside the vocabulary is U+FFFD, not nothing; truncation and padding, which
// package data does, are not read; nor is dropout accepted. A pattern that a file
// brings may be one that backtracks for ever: read files from where you would run
// a program from.
//
// It does not render chat templates, and adds a beginning or end of text only
// where EncodeDocument is asked: otherwise that is the business of package data,
// which knows where a document begins.
package tokenizer
