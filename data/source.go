package data

import (
	"fmt"
	"math/rand/v2"

	"stillhouse/data/tasks"
)

// Document is one text, or the part of it from a line's beginning on; or a
// prompt with its completion.
type Document struct {
	Parts []tasks.Part // each is encoded by itself; a text has one, counted
	Head  bool         // it begins where the document does, and so with <|bos|>
	Whole bool         // it is never begun in the middle
	Turns bool         // a rendered conversation: names of special tokens are meant, and it has its own frame
}

func textDocument(text string) Document {
	return Document{Parts: []tasks.Part{{Text: text, Counted: true}}, Head: true}
}

// bytes returns the length of all parts.
func (d Document) bytes() int {
	n := 0
	for _, p := range d.Parts {
		n += len(p.Text)
	}
	return n
}

// place is where in a source a document for a row begins.
type place struct {
	index  uint64
	offset int64 // in bytes; read moves it back to the beginning of its line
}

// A source holds documents. Both methods depend on their arguments only, so that
// any row can be made without the rows before it.
type source interface {
	info() SourceInfo
	// pick chooses a document by r, such that every byte of the source is about
	// as likely as every other. ok is false if the split has no document.
	pick(r *rand.Rand, s Split) (p place, ok bool)
	// read returns the document at p; seed matters to endless sources only.
	read(s Split, seed uint64, p place) (Document, error)
	// name is how a person would find the document.
	name(s Split, p place) string
}

// SourceInfo describes a source, for manifests.
type SourceInfo struct {
	Name        string
	Documents   int   // 0: endless
	Held        int   // of which validation
	Bytes       int64 // 0: endless
	Skipped     int   // files left out: binary, generated, too large
	Bad         int   // records left out because they cannot be read
	FirstBad    string
	Fingerprint string
}

// LeftOut says how many of a source's records could not be read and where the
// first is, "" if all could.
func LeftOut(name string, bad int, first string) string {
	if bad == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %d records left out, the first: %s", name, bad, first)
}
