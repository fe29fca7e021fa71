package tokenizer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/google/renameio/v2"
)

// JSON returns the tokenizer as a Hugging Face tokenizer.json: the very bytes it
// was read from or, if it was trained, a file with the vocabulary in order of
// ids, the same bytes for the same tokenizer.
func (t *Tokenizer) JSON() []byte {
	if t.source != nil {
		return bytes.Clone(t.source)
	}
	var w bytes.Buffer
	w.WriteString("{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n  \"added_tokens\": [")
	for i, a := range t.added {
		comma(&w, i)
		fmt.Fprintf(&w, "\n    {\"id\": %d, \"content\": %s, \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, \"special\": true}",
			a.ID, quote(a.Content))
	}
	w.WriteString("\n  ],\n  \"normalizer\": null,\n  \"pre_tokenizer\": ")
	fmt.Fprintf(&w, `{"type": "Sequence", "pretokenizers": [
    {"type": "Split", "pattern": {"Regex": %s}, "behavior": "Isolated", "invert": false},
    {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
  ]}`, quote(Pattern))
	w.WriteString(`,
  "post_processor": null,
  "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
  "model": {
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "ignore_merges": false,
    "vocab": {`)
	for id := range t.tokens {
		comma(&w, id)
		fmt.Fprintf(&w, "\n      %s: %d", quote(t.fileToken(int32(id))), id)
	}
	w.WriteString("\n    },\n    \"merges\": [")
	for i, p := range t.ranked {
		comma(&w, i)
		fmt.Fprintf(&w, "\n      [%s, %s]", quote(t.fileToken(p.left)), quote(t.fileToken(p.right)))
	}
	w.WriteString("\n    ]\n  }\n}\n")
	return w.Bytes()
}

// Save writes the tokenizer.json, all of it or nothing.
func (t *Tokenizer) Save(path string) error {
	if err := renameio.WriteFile(path, t.JSON(), 0o644); err != nil {
		return fmt.Errorf("save tokenizer: %w", err)
	}
	return nil
}

// Fingerprint returns the SHA-256 of the file, for manifests.
func (t *Tokenizer) Fingerprint() string {
	b := t.source
	if b == nil {
		b = t.JSON()
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// fileToken is a token of a trained tokenizer as the file spells it.
func (t *Tokenizer) fileToken(id int32) string {
	if t.isSpec[id] {
		return t.tokens[id]
	}
	return toAlphabet(t.tokens[id])
}

func quote(s string) string {
	var w bytes.Buffer
	e := json.NewEncoder(&w)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic("tokenizer: a string does not encode: " + err.Error())
	}
	return string(bytes.TrimSpace(w.Bytes()))
}

func comma(w *bytes.Buffer, i int) {
	if i > 0 {
		w.WriteByte(',')
	}
}
