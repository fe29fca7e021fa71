// Package tokenizer turns text into token ids and back: byte-level byte-pair
// encoding, as in GPT-2 and Llama-3, small enough to be trained in a second.
//
// There are three types here: [Tokenizer], which encodes and decodes;
// [TrainOptions], which says how [Train] makes one from text; and [Stream],
// which decodes one token at a time without ever cutting a rune.
//
//	text ─► scanner: pre-tokens ─► merges inside each ─► []int32
//	       " func", "1", "\n\t\t"   lowest rank first, leftmost on a tie
//
// The scanner is written by hand and equals, rune for rune, the regular
// expression that the file names (see [Pattern]): a word may take one leading
// space, every digit is a pre-token of its own, punctuation stands apart, and a
// line's end takes the next line's tabs with it, which is what Go code repeats
// most.
//
// The file is a Hugging Face tokenizer.json: [Tokenizer.Save] writes it and
// other tools read it; [Load] reads it and chooses the scanner by what the file
// says. A pipeline it does not know is refused by name, never guessed.
//
// Invariants: Decode(Encode(s)) == s for any bytes, valid UTF-8 or not; Encode
// never gives a special token, whatever the text says, so a document that quotes
// "<|eos|>" does not end there ([Tokenizer.EncodeSpecial] is for text that we
// wrote); the same texts and options train the same file, byte for byte; a
// Tokenizer may be used by any number of goroutines.
//
// It adds no beginning- or end-of-text by itself: that is the business of
// package data, which knows where a document begins.
package tokenizer
